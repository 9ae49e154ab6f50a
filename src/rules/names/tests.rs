use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::corpus::NAMES;
use super::*;

#[test]
fn oll_2_names_fold_to_what_people_would_call_the_same() {
    for (typed, folded, core) in NAMES {
        let key = NameKey::new(typed);
        let folded: String = folded.nfc().collect();
        assert_eq!((key.folded(), key.core()), (folded.as_str(), *core), "{typed}");
        assert!(key.words().eq(folded.split_whitespace()), "{typed}");
        assert!(!key.is_cut());
    }
    assert!(NAMES.len() >= 60);
}

#[test]
fn oll_2_every_character_folds_once_and_for_all() {
    // Letters stand in the first two planes, their compatibility forms after the third.
    let characters = ('\0'..='\u{1ffff}').chain('\u{2f800}'..='\u{2fa1f}');
    let typed = characters.map(|c| format!("{c} x{c}y e.{c}.t. {c}.e.t"));
    let changed: Vec<_> = typed
        .filter(|typed| {
            let once = NameKey::new(typed);
            NameKey::new(once.folded()).folded() != once.folded()
        })
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn oll_2_legal_forms_agree_when_they_are_the_same_in_other_letters() {
    let same = [
        ("Contoso Ltd", "Contoso Limited"),
        ("Contoso", "Contoso GmbH"),
        ("Contoso Co. Ltd", "Contoso Company Limited"),
        ("Contoso S.à r.l.", "Contoso SARL"),
        ("Contoso s.r.o.", "Contoso spol. s r.o."),
        ("Łódź sp. z o.o.", "Lodz Spółka z o.o."),
        ("ООО Ромашка", "Ромашка"),
        ("㈱日立", "日立株式会社"),
        ("The Contoso Company", "Contoso Co"),
    ];
    for (left, right) in same {
        let found = resolve(left, [(1, right)]);
        assert!(matches!(found, Resolved::Exact(_)), "{left} is {right}: {found:?}");
    }
    let other = [("Contoso GmbH", "Contoso Ltd"), ("Contoso AG", "Contoso GmbH & Co. KG")];
    for (left, right) in other {
        let found = resolve(left, [(1, right)]);
        assert!(matches!(found, Resolved::Close(_)), "{left} is not {right}: {found:?}");
    }
}

#[test]
fn oll_2_words_initials_and_typos_find_a_name() {
    let near = [
        ("Contosso", "Contoso"),
        ("Cotnoso", "Contoso Deutschland GmbH"),
        ("contoso deutschland", "Contoso"),
        ("deutschland contoso", "Contoso Deutschland GmbH"),
        ("cont deu", "Contoso Deutschland GmbH"),
        ("c", "Contoso"),
        ("cocacola", "Coca-Cola"),
        ("eon", "E ON SE"),
        ("ibm", "International Business Machines Corp."),
        ("International Business Machines", "IBM"),
        ("boe", "Bank of England"),
        ("be", "Bank of England"),
        ("Mueller Maschinenbau", "Müller Maschinenbau GmbH"),
        ("Micorsoft", "Microsoft Corporation"),
        ("日立", "株式会社日立製作所"),
        ("製作所", "株式会社日立製作所"),
        ("電気", "東日本電気通信システム株式会社"),
        ("contoso g", "Contoso GmbH"),
        ("삼성", "(주)삼성전자"),
        ("ромашк", "ООО «Ромашка»"),
        ("сбербнак", "ПАО Сбербанк"),
    ];
    let score = |(query, name): &(&str, &str)| similarity(query, name);
    let missed: Vec<_> = near.iter().filter(|pair| !score(pair).is_close()).collect();
    assert!(missed.is_empty(), "{missed:?}");
    let far = [
        ("Contoso", "Northwind Traders"),
        ("Acme Bank", "Deutsche Bank"),
        ("Contoso Bank", "Deutsche Bank"),
        ("Alpha GmbH", "Omega GmbH"),
        ("hp", "Philips"),
        ("日立", "日本電気"),
        ("", "Contoso"),
        ("???", "!!!"),
    ];
    let found: Vec<_> = far.iter().filter(|pair| score(pair).is_close()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn oll_2_nearer_names_come_first() {
    let names =
        ["Contoso", "CONTOSO", "Contoso GmbH", "Contoso Deutschland", "Deutsche Contoso AG"];
    let nearness: Vec<_> = names.iter().map(|name| similarity("Contoso", name)).collect();
    assert!(nearness.is_sorted_by(|left, right| left > right), "{nearness:?}");
    assert!(similarity("Contosso", "Contoso") > similarity("Contosso", "Contessa"));
}

#[test]
fn oll_2_as_typed_beats_folded_beats_without_form() {
    let mut names = vec![(1, "Contoso"), (2, "CONTOSO"), (3, "Contoso Ltd"), (4, "Contosso")];
    assert!(matches!(resolve(" Contoso ", names.clone()), Resolved::Exact(m) if m.id == 1));
    let ids = |resolved| match resolved {
        Resolved::SameName(found) => found.into_iter().map(|found| found.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    // Two carry it when case does not matter, by name.
    assert_eq!(ids(resolve("contoso", names.clone())), [2, 1]);
    names.retain(|(id, _)| *id > 2);
    assert!(matches!(resolve("contoso", names.clone()), Resolved::Exact(m) if m.id == 3));
    names.push((5, "Contoso GmbH"));
    assert_eq!(ids(resolve("contoso", names.clone())), [5, 3]);
    // The same row twice is one row.
    assert!(matches!(resolve("Contosso", [(4, "Contosso"), (4, "Contosso")]), Resolved::Exact(_)));
}

#[test]
fn oll_2_one_close_name_is_a_question_and_five_are_enough() {
    match resolve("Contosso", [(1, "Contoso")]) {
        Resolved::Close(near) => assert_eq!(near.len(), 1),
        other => panic!("{other:?}"),
    }
    let names = ["Contoso F", "Contoso E", "Contoso D", "Contoso C", "Contoso B", "Contoso A"];
    let twice = (0..12).map(|id| (id, names[id % 6]));
    match resolve("Contosso", twice) {
        Resolved::Close(near) => {
            let near: Vec<_> = near.iter().map(|near| (near.name, near.id)).collect();
            let expected = [5, 11, 4, 10, 3].map(|id| (names[id % 6], id));
            assert_eq!(near, expected);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(resolve("  ", [(1, "  ")]), Resolved::Nothing);
    assert_eq!(resolve("Contoso", [] as [(u8, &str); 0]), Resolved::Nothing);
    // No letter to fold, but there it stands.
    assert!(matches!(resolve("???", [(1, "???"), (2, "!!!")]), Resolved::Exact(m) if m.id == 1));
}

#[test]
fn oll_2_names_beyond_all_measure_are_cut_and_never_called_equal() {
    for unit in ["a", "ab ", "Straße & Co. ", "日立", "ﷺ", "\u{200b}", "a\u{301}", "x.y.", " "]
    {
        let long = unit.repeat(1_000_000 / unit.len());
        let key = NameKey::new(&long);
        assert!(key.folded().chars().count() <= 300, "{unit}");
        assert_eq!(NameKey::new(key.folded()).folded(), key.folded(), "{unit}");
        assert!(trigrams(&long).len() <= 1000 && similarity(&long, &long).get() <= 1000);
        let other = format!("{long}z");
        assert!(!matches!(resolve(&long, [(1, other.as_str())]), Resolved::Exact(_)), "{unit}");
    }
}

fn any_name() -> impl Strategy<Value = String> {
    let known = (0..NAMES.len()).prop_map(|at| NAMES[at].0.to_owned());
    let letters = "[a-dA-D&./ 'äÖß株有会社주ооО-]{0,12}";
    prop_oneof![known, letters, any::<String>(), "\\PC{250,400}"]
}

proptest! {
    #[test]
    fn oll_2_folding_twice_is_folding_once(name in any_name()) {
        let once = NameKey::new(&name);
        let twice = NameKey::new(once.folded());
        prop_assert_eq!(twice.folded(), once.folded());
        prop_assert_eq!(twice.core(), once.core());
        prop_assert_eq!(once.core().is_empty(), once.folded().is_empty());
        prop_assert!(once.folded().contains(once.core()));
    }

    #[test]
    fn oll_2_the_order_of_candidates_does_not_matter(
        (query, names, shuffled) in (any_name(), prop::collection::vec((0..9_u8, any_name()), 0..12))
            .prop_flat_map(|(query, names)| {
                (Just(query), Just(names.clone()), Just(names).prop_shuffle())
            })
    ) {
        let borrow = |names: &'_ [(u8, String)]| -> Vec<(u8, String)> { names.to_vec() };
        let (left, right) = (borrow(&names), borrow(&shuffled));
        let left = resolve(&query, left.iter().map(|(id, name)| (*id, name.as_str())));
        let right = resolve(&query, right.iter().map(|(id, name)| (*id, name.as_str())));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn oll_2_a_name_as_typed_always_wins(
        name in any_name(),
        others in prop::collection::vec(any_name(), 0..12),
    ) {
        prop_assume!(!name.trim().is_empty());
        prop_assume!(others.iter().all(|other| other.trim() != name.trim()));
        let candidates = others.iter().map(String::as_str).chain([name.as_str()]).enumerate();
        match resolve(&name, candidates) {
            Resolved::Exact(found) => prop_assert_eq!(found.id, others.len()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn oll_2_a_dropped_letter_is_still_close(at in 0..7_usize) {
        let mut typed = "contoso".to_owned();
        typed.remove(at);
        prop_assert!(similarity(&typed, "Contoso Deutschland GmbH").is_close());
    }
}
