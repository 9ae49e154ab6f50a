//! The papers keep their word: files that they name exist, features are explained, ids have tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// What stands between backquotes, outside of code blocks.
fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// Targets of links in the text that are no web address.
fn linked(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let here = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    here.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

/// Whether a quoted word names a file or a folder: it has a path or an ending that we use.
fn names_a_file(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let ending = [".md", ".rs", ".toml", ".sql"].iter().any(|ending| word.ends_with(ending));
    let path = ["src/", "tests/", "examples/", "docs/", ".ci/", "benches/"]
        .iter()
        .any(|folder| word.starts_with(folder));
    word.chars().all(plain) && (ending || path)
}

/// A path as a paper means it: from the root, or, for a bare name, from `src`.
fn exists(word: &str) -> bool {
    [root(), root().join("src")].iter().any(|base| base.join(word).exists())
}

/// The names of the crate's features, from the manifest.
fn features() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("\n[features]\n").expect("the manifest has features");
    let section = rest.split("\n[").next().unwrap_or(rest);
    let entries = section.lines().filter(|line| !line.starts_with('#'));
    let names = entries.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim());
    names.filter(|name| *name != "default").map(str::to_owned).collect()
}

#[test]
fn every_file_that_a_paper_names_exists() {
    let papers = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "TROUBLESHOOTING.md",
        "docs/behaviours.md",
    ];
    let mut named = 0;
    for paper in papers {
        let text = read(paper);
        let folder = Path::new(paper).parent().unwrap_or_else(|| Path::new(""));
        for target in linked(&text) {
            assert!(root().join(folder).join(&target).exists(), "{paper} links to {target}");
            named += 1;
        }
        for word in quoted(&text).into_iter().filter(|word| names_a_file(word)) {
            assert!(exists(&word), "{paper} names {word}");
            named += 1;
        }
    }
    assert!(named > 20, "only {named} names were found");
}

#[test]
fn the_changelog_has_a_place_for_what_comes_next() {
    let changelog = read("CHANGELOG.md");
    let (_, rest) = changelog.split_once("\n## [Unreleased]\n").expect("a section Unreleased");
    let section = rest.split("\n## [").next().unwrap_or(rest);
    assert!(section.lines().any(|line| line.starts_with("- ")), "it is empty");
}

#[test]
fn host_6_every_feature_stands_in_the_readme() {
    let readme = read("README.md");
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let explained: BTreeSet<String> = readme.lines().filter_map(row).collect();
    assert_eq!(explained, features());
}

#[test]
fn host_6_the_manifest_forbids_unsafe_code_and_states_the_oldest_compiler() {
    let manifest = read("Cargo.toml");
    for line in ["unsafe_code = \"forbid\"", "missing_docs = \"warn\""] {
        assert!(manifest.lines().any(|found| found == line), "{line}");
    }
    let stated = env!("CARGO_PKG_RUST_VERSION");
    assert!(!stated.is_empty());
    assert!(read("README.md").contains(&format!("Rust {stated}")), "the README says {stated}");
}

/// `.ci/ids` finds a test for every behaviour, and no test of an unknown one.
#[test]
fn every_behaviour_has_a_test() {
    let Ok(run) = Command::new("bash").arg(".ci/ids").current_dir(root()).output() else {
        // A machine without bash: the gate runs the script itself.
        return;
    };
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{complaints}");
    let table = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(table.lines().count() > 60, "{table}");
}

/// The sentences that TROUBLESHOOTING quotes are those of the code, so that a reader who searches
/// for what a page shows finds the paragraph.
#[test]
fn host_5_every_sentence_that_troubleshooting_quotes_stands_in_the_code() {
    let mut code = String::new();
    collect(&root().join("src"), &mut code);
    let code = joined(&code);
    let text = read("TROUBLESHOOTING.md");
    let mut quotes = 0;
    for quote in text.split('"').skip(1).step_by(2).filter(|quote| !quote.contains('\n')) {
        // `…` stands for what differs from case to case.
        for part in quote.split('…').map(str::trim).filter(|part| part.len() > 3) {
            assert!(code.contains(part), "TROUBLESHOOTING quotes {part:?}");
        }
        quotes += 1;
    }
    assert!(quotes > 30, "only {quotes} quotes were found");
}

fn collect(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(&entry, into);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&fs::read_to_string(&entry).unwrap());
        }
    }
}

/// Joins string literals that the formatter has broken over lines.
fn joined(code: &str) -> String {
    let mut whole = String::with_capacity(code.len());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        while let Some(head) = line.strip_suffix('\\') {
            line = format!("{head}{}", lines.next().unwrap_or_default().trim_start());
        }
        whole.push_str(&line);
        whole.push('\n');
    }
    whole
}
