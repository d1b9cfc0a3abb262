//! The pieces of a statement's text: enough of PostgreSQL's lexer to tell names from values.
//!
//! It never fails: what is left open at the end (a text that was cut) ends there.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword without quotes.
    Word,
    /// A name in double quotes, or in MySQL's backticks.
    Quoted,
    /// Any form of string: `'..'`, `E'..'`, `$$..$$`, `B'..'`, `X'..'`, `U&'..'`.
    Str,
    /// A number.
    Num,
    /// A parameter, by its number from 1: `$n`, and by its place `?`, `%s`, `%(name)s`, `:name`, `@name`.
    Param(u32),
    /// An operator or a mark.
    Op,
}

/// A piece, as a range of bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Reads pieces one by one.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Parameters by place so far.
    places: u32,
    /// The last piece.
    last: Option<Token>,
    /// Open square brackets, in which a colon is a slice.
    brackets: u32,
    /// A quote or a comment was open at the end.
    open: bool,
    /// A backslash stood before a quote: elsewhere than in PostgreSQL the text is taken apart otherwise.
    odd: bool,
}

/// Words after which `?` is a parameter, not an operator.
const BEFORE_OPERAND: [&str; 27] = [
    "all", "and", "any", "between", "by", "case", "distinct", "else", "first", "from", "having", "ilike",
    "in", "interval", "is", "like", "limit", "next", "not", "offset", "on", "or", "select", "some", "then",
    "when", "where",
];

pub(super) fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub(super) fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Tokens { text: text.as_bytes(), at: 0, places: 0, last: None, brackets: 0, open: false, odd: false }
    }

    /// Whether a quote or a comment was still open at the end, as in a text that was cut.
    pub fn open(&self) -> bool {
        self.open
    }

    /// Whether the text may be taken apart otherwise, by those who escape quotes with backslashes.
    pub fn odd(&self) -> bool {
        self.odd
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Passes white space and comments.
    fn blank(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => {
                    self.at = memchr::memchr2(b'\n', b'\r', &self.text[self.at..])
                        .map_or(self.text.len(), |n| self.at + n);
                }
                (b'/', b'*') => self.comment(),
                _ => return,
            }
        }
    }

    /// Passes a comment; they nest.
    fn comment(&mut self) {
        let mut depth = 0u32;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.open = true;
    }

    /// To the end of what `quote` opened before `self.at`; a doubled quote stands for itself.
    fn quoted(&mut self, quote: u8, backslashes: bool) {
        let start = self.at;
        while self.at < self.text.len() {
            let byte = self.peek(0);
            if byte == b'\\' && backslashes {
                self.at += 2;
            } else if byte == quote {
                let inside = &self.text[start..self.at];
                let escapes = inside.iter().rev().take_while(|b| **b == b'\\').count();
                // `'\'` alone is what `ESCAPE` is given.
                self.odd |= !backslashes && escapes % 2 == 1 && (inside.len() > 1 || self.peek(1) == quote);
                self.at += 1;
                if self.peek(0) != quote {
                    return;
                }
                self.at += 1;
            } else {
                self.at += 1;
            }
        }
        self.at = self.text.len();
        self.open = true;
    }

    /// Dollar quotes: `$$..$$`, `$tag$..$tag$`. Whether there was one.
    fn dollar(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(tag) = memchr::memchr(b'$', &rest[1..]).map(|n| &rest[..n + 2]) else { return false };
        let name = &tag[1..tag.len() - 1];
        let fits = name.first().is_none_or(|&b| is_word_start(b)) && name.iter().all(|&b| is_word(b));
        if !fits {
            return false;
        }
        let inside = self.at + tag.len();
        let end = memchr::memmem::find(&self.text[inside..], tag);
        self.open |= end.is_none();
        self.at = end.map_or(self.text.len(), |n| inside + n + tag.len());
        true
    }

    fn number(&mut self) {
        if self.peek(0) == b'0' && matches!(self.peek(1) | 0x20, b'x' | b'o' | b'b') {
            self.at += 2;
            while self.peek(0).is_ascii_hexdigit() || self.peek(0) == b'_' {
                self.at += 1;
            }
            return;
        }
        let digits = |this: &mut Self| {
            while this.peek(0).is_ascii_digit() || this.peek(0) == b'_' {
                this.at += 1;
            }
        };
        digits(self);
        // Two points are a range, as in PL/pgSQL.
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            digits(self);
        }
        if self.peek(0) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                digits(self);
            }
        }
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        // A letter and a quote are one string.
        if self.peek(0) == b'\'' && word.len() == 1 && matches!(word[0] | 0x20, b'e' | b'b' | b'x' | b'n') {
            self.at += 1;
            self.quoted(b'\'', word[0] | 0x20 == b'e');
            return Kind::Str;
        }
        if word.len() == 1 && word[0] | 0x20 == b'u' && self.peek(0) == b'&' {
            let quote = self.peek(1);
            if quote == b'\'' || quote == b'"' {
                self.at += 2;
                self.quoted(quote, false);
                return if quote == b'"' { Kind::Quoted } else { Kind::Str };
            }
        }
        Kind::Word
    }

    /// Whether the last piece ends an operand, so that an operator may follow.
    fn operand(&self) -> bool {
        let Some(last) = self.last else { return false };
        let bytes = &self.text[last.start..last.end];
        match last.kind {
            Kind::Op => matches!(bytes, b")" | b"]"),
            Kind::Word => !BEFORE_OPERAND.iter().any(|w| w.as_bytes().eq_ignore_ascii_case(bytes)),
            _ => true,
        }
    }

    fn place(&mut self) -> Kind {
        self.places = self.places.saturating_add(1);
        Kind::Param(self.places)
    }

    /// A parameter that is no `$n`. `None` where there is none.
    fn parameter(&mut self) -> Option<Kind> {
        let end = |this: &Self, from: usize| {
            let mut n = from;
            while is_word(this.peek(n)) {
                n += 1;
            }
            n
        };
        let length = match (self.peek(0), self.peek(1)) {
            (b'?', next) if !(matches!(next, b'|' | b'&') && self.peek(2) != b'|' && self.operand()) => {
                let after = self.text[self.at + 1..].iter().find(|b| !b.is_ascii_whitespace());
                if self.operand() && matches!(after, Some(b'\'' | b'$' | b'?')) {
                    return None;
                }
                1
            }
            (b'%', b's' | b'b' | b't') if !is_word(self.peek(2)) => 2,
            (b'%', b'(') => {
                let n = end(self, 2);
                if n == 2 || self.peek(n) != b')' || self.peek(n + 1) != b's' {
                    return None;
                }
                n + 2
            }
            (b':', next) if is_word_start(next) && self.brackets == 0 => end(self, 1),
            (b'@', next) if is_word_start(next) => end(self, 1),
            _ => return None,
        };
        self.at += length;
        Some(self.place())
    }

    /// An operator by PostgreSQL's rule: the longest run, without a sign at its end that may be the operand's.
    fn operator(&mut self) {
        let start = self.at;
        if matches!(self.peek(0), b':') && matches!(self.peek(1), b':' | b'=') {
            self.at += 2;
            return;
        }
        if !b"+-*/<>=~!@#%^&|`?".contains(&self.peek(0)) {
            match self.peek(0) {
                b'[' => self.brackets += 1,
                b']' => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            // A whole character: what is no ASCII is a word.
            self.at += 1;
            return;
        }
        while b"+-*/<>=~!@#%^&|`?".contains(&self.peek(0)) && self.peek(0) != 0 {
            let run = &self.text[start..self.at];
            let comment = matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*'));
            let parameter = match (self.peek(0), self.peek(1)) {
                (b'?', _) => run != b"@",
                (b'%', b's' | b'b' | b't') => !is_word(self.peek(2)),
                (b'%', b'(') => true,
                (b'@', next) => is_word_start(next) && run != b"<",
                _ => false,
            };
            if !run.is_empty() && (comment || parameter) {
                break;
            }
            self.at += 1;
            // `?|` and `?&` are whole.
            if run == b"?" {
                break;
            }
        }
        while self.at > start + 1
            && matches!(self.text[self.at - 1], b'+' | b'-')
            && !self.text[start..self.at].iter().any(|b| b"~!@#%^&|`?".contains(b))
        {
            self.at -= 1;
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.blank();
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let kind = match self.peek(0) {
            b'\'' => {
                self.at += 1;
                self.quoted(b'\'', false);
                Kind::Str
            }
            b'"' => {
                self.at += 1;
                self.quoted(b'"', false);
                Kind::Quoted
            }
            b'`' if memchr::memchr(b'`', &self.text[self.at + 1..]).is_some() => {
                self.at += 1;
                self.quoted(b'`', false);
                Kind::Quoted
            }
            b'$' if self.peek(1).is_ascii_digit() => {
                let mut number = 0u32;
                self.at += 1;
                while self.peek(0).is_ascii_digit() {
                    number = number.saturating_mul(10).saturating_add(u32::from(self.peek(0) - b'0'));
                    self.at += 1;
                }
                Kind::Param(number)
            }
            b'$' if self.dollar() => Kind::Str,
            byte if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_ascii_digit()) => {
                self.number();
                Kind::Num
            }
            byte if is_word_start(byte) => self.word(),
            _ => match self.parameter() {
                Some(kind) => kind,
                None => {
                    self.operator();
                    Kind::Op
                }
            },
        };
        // Only a cut escape reaches past the end.
        self.at = self.at.min(self.text.len());
        self.last = Some(Token { kind, start, end: self.at });
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(&str, Kind)> {
        Tokens::new(text).map(|t| (&text[t.start..t.end], t.kind)).collect()
    }

    fn kinds(text: &str) -> String {
        let letter = |kind| match kind {
            Kind::Word => 'w',
            Kind::Quoted => 'q',
            Kind::Str => 's',
            Kind::Num => 'n',
            Kind::Param(_) => 'p',
            Kind::Op => 'o',
        };
        Tokens::new(text).map(|t| letter(t.kind)).collect()
    }

    /// Scenario: every form of a string, a name and a comment. Guarantee: each is one piece of its kind.
    #[test]
    fn strings_and_names_are_whole() {
        assert_eq!(kinds("'a''b' E'\\'x' $$ ' $$ $t$ $$ $t$ b'1' x'F' U&'x' n'y'"), "ssssssss");
        assert_eq!(kinds("\"a\"\"b\" U&\"x\" _a$1 é"), "qqww");
        assert_eq!(kinds("1 -- 2 'x\n/* /* 3 */ 4 */ 5.5e-3 .5 0xFF 1_000"), "nnnnn");
        assert_eq!(kinds("`a b` = `c`"), "qoq");
        assert_eq!(kinds("'open"), "s");
        assert_eq!(kinds("E'open\\"), "s");
    }

    /// Scenario: parameters in the styles of clients, beside operators of the same letters. Guarantee: told apart.
    #[test]
    fn parameters_are_told_from_operators() {
        assert_eq!(
            pieces("a=$12 AND b=? AND c=%s"),
            [
                ("a", Kind::Word),
                ("=", Kind::Op),
                ("$12", Kind::Param(12)),
                ("AND", Kind::Word),
                ("b", Kind::Word),
                ("=", Kind::Op),
                ("?", Kind::Param(1)),
                ("AND", Kind::Word),
                ("c", Kind::Word),
                ("=", Kind::Op),
                ("%s", Kind::Param(2)),
            ]
        );
        assert_eq!(kinds("x = %(id)s and y = :name and z = @p0 limit ? offset ?"), "wopwwopwwopwpwp");
        assert_eq!(pieces("data ? 'k'")[1], ("?", Kind::Op));
        assert_eq!(pieces("data ?| x")[1], ("?|", Kind::Op));
        assert_eq!(pieces("a <@b")[1], ("<@", Kind::Op));
        assert_eq!(pieces("a=-1")[1], ("=", Kind::Op));
        assert_eq!(pieces("?::uuid")[0], ("?", Kind::Param(1)));
    }
}
