//! What the docs show must be so.

use std::{fs, path::Path};

use portcullis::{
    config::{Config, Document, Environment, Options},
    identify::catalogue,
    scrub::{pack, run_examples},
    transform::Transforms,
    wire::Aliases,
};

/// The blocks of a language in a page of Markdown, with their line.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, usize)> = None;
    for (line, number) in text.lines().zip(1..) {
        let indent = line.len() - line.trim_start().len();
        match &mut open {
            Some((at, block, _)) if line.trim() == "```" => {
                blocks.push((*at, std::mem::take(block)));
                open = None;
            }
            Some((_, block, outer)) => {
                block.push_str(line.get(*outer..).unwrap_or_default());
                block.push('\n');
            }
            None if line.trim() == format!("```{language}") => open = Some((number, String::new(), indent)),
            None => {}
        }
    }
    blocks
}

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push(format!("docs/{name}"));
        }
    }
    pages.into_iter().map(|page| (page.clone(), fs::read_to_string(root.join(page)).unwrap())).collect()
}

fn configuration(name: &str, text: &str) {
    let options = Options { environment: Environment::Unresolved, ..Options::default() };
    let document = Document::parse(name, text, options).unwrap_or_else(|e| panic!("{e}"));
    let config: Config = document.decode().unwrap_or_else(|e| panic!("{e}"));
    config.identity.check().unwrap_or_else(|e| panic!("{name}: {e}"));
    config.buffer.validate().unwrap_or_else(|e| panic!("{name}: {e:?}"));
    for destination in &config.destinations {
        destination.check().unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let aliases = Aliases::new(&config.identity.aliases);
    Transforms::compile(&config.transforms, &aliases, &document, "/transforms")
        .unwrap_or_else(|e| panic!("{name}: {e:?}"));
}

/// Scenario: every piece of YAML in the docs. Guarantee: a configuration decodes and its transforms compile;
/// a rule pack passes its own examples.
#[test]
fn yaml_in_the_docs_is_good() {
    let mut seen = 0;
    for (page, text) in pages() {
        for (line, block) in blocks(&text, "yaml") {
            let name = format!("{page}:{line}");
            seen += 1;
            if block.starts_with("rules:") {
                let pack = pack::read(&name, &block).unwrap_or_else(|e| panic!("{e}"));
                let report = run_examples(&[pack]).unwrap_or_else(|e| panic!("{e}"));
                assert!(report.failures.is_empty(), "{name}: {:?}", report.failures);
            } else {
                configuration(&name, &block);
            }
        }
    }
    assert!(seen >= 6, "only {seen} blocks were found");
}

/// Scenario: the files of docs/examples. Guarantee: a good configuration, and a good catalogue.
#[test]
fn examples_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    configuration("portcullis.yaml", &fs::read_to_string(root.join("portcullis.yaml")).unwrap());
    let tenants = fs::read_to_string(root.join("tenants.yaml")).unwrap();
    catalogue::parse("tenants.yaml", &tenants).unwrap_or_else(|e| panic!("{e}"));
}
