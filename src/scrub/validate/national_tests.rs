use super::*;

/// Scenario: for each country a number as its register shows it, and the same with one place changed.
/// Guarantee: the first passes, the second does not.
#[test]
fn check_digits_tell_true_from_nearly_true() {
    type Check = fn(&[u8]) -> bool;
    let all: [(&str, Check, &str); 40] = [
        ("IN", aadhaar, "234123412346"),
        ("AR", cuit, "20-05536168-2"),
        ("AU", australia, "123 456 782"),
        ("AU", australia, "83 914 571 673"),
        ("AT", austria, "1237 010180"),
        ("BE", belgium, "85.07.30-033 28"),
        ("BG", egn, "7523169263"),
        ("BR", cnpj, "16.727.230/0001-97"),
        ("CA", sin, "123-456-782"),
        ("CH", ahv, "756.9217.0769.85"),
        ("CL", rut, "12.531.909-2"),
        ("CN", china, "360426199101010071"),
        ("CZ", czech, "710319/2745"),
        ("DE", german_tax, "36 574 261 809"),
        ("EE", baltic, "36805280109"),
        ("ES", dni, "54362315-K"),
        ("ES", dni, "x-2482300w"),
        ("FI", hetu, "131052-308T"),
        ("FR", nir, "2 95 10 99 126 111 93"),
        ("GR", amka, "01013099997"),
        ("HR", oib, "33392005961"),
        ("IE", pps, "6433435F"),
        ("IL", israel, "039337423"),
        ("IS", kennitala, "450401-3150"),
        ("IT", codice_fiscale, "RCCMNL83S18D969H"),
        ("JP", my_number, "6214 9832 0257"),
        ("MX", curp, "BOXW310820HNERXN09"),
        ("NL", bsn, "1112.22.333"),
        ("NO", norway, "151086 95088"),
        ("NZ", ird, "136-410-132"),
        ("PL", pesel, "44051401359"),
        ("PL", nip, "856-734-62-15"),
        ("PT", portugal, "501 964 843"),
        ("RO", cnp, "1630615123457"),
        ("RS", jmbg, "0101006500006"),
        ("RU", inn, "123456789047"),
        ("SE", personnummer, "880320-0016"),
        ("SG", nric, "S0000001I"),
        ("TR", tckn, "17291716060"),
        ("ZA", south_africa, "7503305044089"),
    ];
    for (country, check, good) in all {
        assert!(check(good.as_bytes()), "{country} {good}");
        let mut bad = good.as_bytes().to_vec();
        let at = bad.iter().position(u8::is_ascii_digit).unwrap() + 1;
        let at = at + bad[at..].iter().position(u8::is_ascii_digit).unwrap();
        bad[at] = b'0' + (bad[at] - b'0' + 1) % 10;
        assert!(!check(&bad), "{country} {}", String::from_utf8_lossy(&bad));
    }
    assert!(taiwan(b"A123456789") && !taiwan(b"A123456788"));
    assert!(rntrc(b"1759013776") && !rntrc(b"1759013770"));
    assert!(thailand(b"1-2345-45678-78-1") && !thailand(b"1-2345-45678-78-2"));
    assert!(aba(b"111000025") && !aba(b"112000025"));
    assert!(imei(b"490154203237518") && !imei(b"490154203237519"));
    assert!(cpr(b"211062-5629") && !cpr(b"511462-5629"));
    assert!(rrn(b"971013-1019920") && !rrn(b"971913-9019920"));
}
