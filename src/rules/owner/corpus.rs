//! hundreds of addresses that look like a member's and are not, and a few that are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::{EmailAddress, Member, MemberId, OwnerProblem, User, UserId};
use crate::rules::owner::{MemberIndex, Owner, match_owner};

/// The members that the corpus imitates. Their letters cover what has a look-alike.
const BASES: [&str; 10] = [
    "ada.lovelace@contoso.com",
    "kim.fisk@contoso.com",
    "ines@strasse.de",
    "lisa-miller@fabrikam.co.uk",
    "oscar_wilde@northwind.org",
    "grace+crm@adatum.com",
    "x.yvonne.q@proseware.net",
    "jos\u{e9}@contoso.com",
    "j\u{fc}rgen@m\u{fc}ller.de",
    "\u{43e}\u{43b}\u{435}\u{433}@contoso.com",
];

/// Characters that look like an ASCII one, or that some comparison would fold into it.
const LOOKALIKES: [(char, &str); 24] = [
    ('a', "а\u{1d41a}ɑαªⓐàạ"),
    ('b', "Ьɓᖯⓑ"),
    ('c', "сϲⅽⓒç"),
    ('d', "ԁⅾɗⓓ"),
    ('e', "еҽєⓔéẹ"),
    ('f', "ſƒϝⓕ"),
    ('g', "ɡցⓖğ"),
    ('h', "һհⓗ"),
    ('i', "ıİіⅰιíⓘ"),
    ('j', "јϳⓙ"),
    ('k', "\u{212a}кκⓚ"),
    ('l', "ⅼӏｌⓛ1|ł"),
    ('m', "мⅿⓜ"),
    ('n', "ոпηⓝñ"),
    ('o', "оοօ0ºⓞöø"),
    ('q', "ԛզⓠ"),
    ('r', "гꭇⓡ"),
    ('s', "ѕſꜱⓢś"),
    ('t', "тτⓣţ"),
    ('u', "υսⓤü"),
    ('v', "ѵνⅴⓥ"),
    ('w', "ԝաⓦ"),
    ('x', "хχⅹⓧ"),
    ('y', "уүγⓨÿ"),
];

/// Characters that print as nothing, or that change how their neighbours print.
const INVISIBLE: [char; 14] = [
    '\u{ad}', '\u{34f}', '\u{61c}', '\u{180e}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}',
    '\u{202e}', '\u{2060}', '\u{2066}', '\u{fe0f}', '\u{feff}', '\u{301}',
];

/// Pairs of different addresses that some normalisation, browser or mail system holds for equal.
const PAIRS: [(&str, &str); 44] = [
    // Unicode case and compatibility.
    ("kim@contoso.com", "\u{212a}im@contoso.com"),
    ("ines@contoso.com", "\u{131}nes@contoso.com"),
    ("ines@contoso.com", "\u{130}nes@contoso.com"),
    ("ines@contoso.com", "i\u{307}nes@contoso.com"),
    ("sam@contoso.com", "\u{17f}am@contoso.com"),
    ("ada@strasse.de", "ada@stra\u{df}e.de"),
    ("weiss@contoso.com", "wei\u{df}@contoso.com"),
    ("weiss@contoso.com", "wei\u{1e9e}@contoso.com"),
    ("fiona@contoso.com", "\u{fb01}ona@contoso.com"),
    ("steve@contoso.com", "\u{fb06}eve@contoso.com"),
    ("lj@contoso.com", "\u{1c9}@contoso.com"),
    ("ii@contoso.com", "\u{2171}@contoso.com"),
    ("a2@contoso.com", "a\u{b2}@contoso.com"),
    ("a12@contoso.com", "a\u{661}\u{662}@contoso.com"),
    ("J\u{dc}RGEN@contoso.com", "j\u{fc}rgen@contoso.com"),
    ("\u{3a3}@contoso.com", "\u{3c3}@contoso.com"),
    ("\u{3c3}@contoso.com", "\u{3c2}@contoso.com"),
    ("\u{c5}@contoso.com", "\u{212b}@contoso.com"),
    ("\u{3a9}@contoso.com", "\u{2126}@contoso.com"),
    // Composed and decomposed.
    ("jos\u{e9}@contoso.com", "jose\u{301}@contoso.com"),
    ("j\u{fc}rgen@contoso.com", "ju\u{308}rgen@contoso.com"),
    ("\u{ac00}@contoso.com", "\u{1100}\u{1161}@contoso.com"),
    ("\u{1e69}@contoso.com", "s\u{323}\u{307}@contoso.com"),
    ("s\u{323}\u{307}@contoso.com", "s\u{307}\u{323}@contoso.com"),
    // Domains and their other spellings.
    ("ada@m\u{fc}ller.de", "ada@xn--mller-kva.de"),
    ("ada@stra\u{df}e.de", "ada@xn--strae-oqa.de"),
    ("ada@contoso.com", "ada@contoso.com."),
    ("ada@contoso.com", "ada@contoso\u{3002}com"),
    ("ada@contoso.com", "ada@contoso\u{ff0e}com"),
    ("ada@contoso.com", "ada@mail.contoso.com"),
    ("ada@contoso.com", "ada@contoso.co"),
    ("ada@contoso.com", "ada@contoso.com.evil.org"),
    ("ada@googlemail.com", "ada@gmail.com"),
    // What mail systems fold and we do not.
    ("ada.lovelace@gmail.com", "adalovelace@gmail.com"),
    ("ada@contoso.com", "ada+sales@contoso.com"),
    ("ada@contoso.com", "ada-sales@contoso.com"),
    ("ada_l@contoso.com", "ada-l@contoso.com"),
    ("ada@contoso.com", "\"ada\"@contoso.com"),
    ("ada@contoso.com", "ada(crm)@contoso.com"),
    ("ada@contoso.com", "<ada@contoso.com>"),
    ("ada@contoso.com", "mailto:ada@contoso.com"),
    ("ada@contoso.com", "%61da@contoso.com"),
    // Letters that only look alike in print.
    ("morn@contoso.com", "mom@contoso.com"),
    ("wanda@contoso.com", "vvanda@contoso.com"),
];

/// Every address that differs from a base in one place by a look-alike.
fn substituted(base: &str) -> impl Iterator<Item = String> {
    base.char_indices().flat_map(move |(at, letter)| {
        let table = LOOKALIKES.iter().filter(move |(plain, _)| *plain == letter);
        let listed = table.flat_map(|(_, others)| others.chars());
        let full_width =
            letter.is_ascii_graphic().then(|| char::from_u32(u32::from(letter) + 0xfee0)).flatten();
        listed.chain(full_width).map(move |other| {
            let rest = &base[at + letter.len_utf8()..];
            format!("{}{other}{rest}", &base[..at])
        })
    })
}

/// Every address that differs from a base by one invisible character, the ends included.
fn with_invisible(base: &str) -> impl Iterator<Item = String> {
    let places = base.char_indices().map(|(at, _)| at).chain([base.len()]);
    places.flat_map(move |at| {
        INVISIBLE.iter().map(move |hidden| format!("{}{hidden}{}", &base[..at], &base[at..]))
    })
}

/// Every address that differs from a base by a doubled or a dropped character.
fn mistyped(base: &str) -> impl Iterator<Item = String> {
    base.char_indices().filter(|(_, letter)| *letter != '@').flat_map(move |(at, letter)| {
        let (before, after) = (&base[..at], &base[at + letter.len_utf8()..]);
        [format!("{before}{letter}{letter}{after}"), format!("{before}{after}")]
    })
}

/// The imitations of one base that are addresses at all; what is none can match nobody.
fn imitations(base: &str) -> BTreeSet<EmailAddress> {
    substituted(base)
        .chain(with_invisible(base))
        .chain(mistyped(base))
        .filter_map(|text| EmailAddress::new(text).ok())
        .collect()
}

/// How one address may be written without becoming another.
fn spellings(base: &str) -> [String; 6] {
    let mut turn = false;
    let mixed = base.chars().map(|letter| {
        turn = !turn;
        if turn { letter.to_ascii_uppercase() } else { letter }
    });
    [
        base.to_owned(),
        base.to_ascii_uppercase(),
        mixed.collect(),
        format!("  {base}"),
        format!("{base}\t\r\n"),
        format!("\u{a0}{}\u{3000}", base.to_ascii_uppercase()),
    ]
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::new(text).unwrap()
}

fn member(id: &str, email: EmailAddress) -> Member {
    Member::new(MemberId::new(id).unwrap(), email)
}

/// The member matched with an address, or why there is none.
fn matched(index: &MemberIndex, email: &EmailAddress) -> Result<MemberId, OwnerProblem> {
    let mut user = User::new(UserId::new("u").unwrap());
    user.email = Some(email.clone());
    match_owner(index, Owner::User(&user)).map(|found| found.member)
}

fn base_members() -> Vec<Member> {
    BASES.iter().map(|base| member(base, email(base))).collect()
}

#[test]
fn r_14_no_imitation_matches_the_member_it_imitates() {
    let index = MemberIndex::new(&base_members());
    let mut tried = 0;
    for base in BASES {
        let imitations = imitations(base);
        assert!(imitations.len() >= 50, "{base} has only {} imitations", imitations.len());
        for imitation in imitations {
            let found = matched(&index, &imitation);
            assert!(found.is_err(), "{:?} matched {found:?}", imitation.as_str());
            tried += 1;
        }
    }
    assert!(tried >= 500, "only {tried} imitations were tried");
}

#[test]
fn r_14_no_member_with_an_imitation_matches_the_original() {
    for base in BASES {
        let imitators: Vec<_> = imitations(base)
            .into_iter()
            .enumerate()
            .map(|(n, email)| member(&n.to_string(), email))
            .collect();
        let found = matched(&MemberIndex::new(&imitators), &email(base));
        assert!(matches!(found, Err(OwnerProblem::Unmatched { .. })), "{base} matched {found:?}");
    }
}

/// originals and imitations side by side in one workspace: each finds itself and no other.
#[test]
fn r_14_every_address_of_the_corpus_matches_its_own_member_alone() {
    let mut corpus: BTreeSet<EmailAddress> =
        BASES.iter().flat_map(|base| imitations(base)).collect();
    corpus.extend(BASES.iter().map(|base| email(base)));
    corpus.extend(PAIRS.iter().flat_map(|(a, b)| [a, b]).filter_map(|t| EmailAddress::new(t).ok()));
    let corpus: Vec<_> = corpus.into_iter().collect();
    let members: Vec<_> =
        corpus.iter().enumerate().map(|(n, email)| member(&n.to_string(), email.clone())).collect();
    let index = MemberIndex::new(&members);
    for (address, own) in corpus.iter().zip(&members) {
        assert_eq!(matched(&index, address), Ok(own.id.clone()), "{:?}", address.as_str());
    }
}

#[test]
fn r_14_what_others_hold_for_equal_stays_different() {
    for (left, right) in PAIRS {
        for (held, asked) in [(left, right), (right, left)] {
            let index = MemberIndex::new(&[member("held", email(held))]);
            let found = matched(&index, &email(asked));
            assert!(found.is_err(), "{asked:?} matched the holder of {held:?}");
        }
    }
}

#[test]
fn r_14_case_and_space_find_the_member_every_time() {
    let index = MemberIndex::new(&base_members());
    for base in BASES {
        for spelling in spellings(base) {
            let found = matched(&index, &email(&spelling));
            assert_eq!(found, Ok(MemberId::new(base).unwrap()), "{spelling:?}");
        }
    }
}

#[test]
fn r_14_duplicates_are_ambiguous_however_they_are_spelled() {
    for base in BASES {
        for one in spellings(base) {
            for other in spellings(base) {
                let index =
                    MemberIndex::new(&[member("b", email(&one)), member("a", email(&other))]);
                let found = matched(&index, &email(base));
                let Err(OwnerProblem::Ambiguous { members, .. }) = found else {
                    panic!("{one:?} and {other:?} gave {found:?}");
                };
                assert_eq!(members, ["a", "b"].map(|id| MemberId::new(id).unwrap()));
            }
        }
    }
}

/// an administrator may act on a hint, so an imitation of a domain must not carry one.
#[test]
fn r_14_no_imitation_is_recommended() {
    let index = MemberIndex::new(&base_members());
    for imitation in BASES.iter().flat_map(|base| imitations(base)) {
        if imitation.as_str().is_ascii() {
            continue;
        }
        match matched(&index, &imitation) {
            Err(OwnerProblem::Unmatched { hint: None, .. }) => {}
            other => panic!("{:?} gave {other:?}", imitation.as_str()),
        }
    }
}

/// Short addresses from letters that fold into each other somewhere, so that many pairs are alike.
fn any_address() -> impl Strategy<Value = String> {
    let letters = "[kK\u{212a}iI\u{131}\u{130}\u{430}a\u{ff41}\u{ad}]{1,3}";
    (" ?", letters, prop::sample::select(vec!["x.de", "X.de", "\u{445}.de"]), " ?")
        .prop_map(|(before, local, domain, after)| format!("{before}{local}@{domain}{after}"))
}

proptest! {
    /// two addresses mean one person exactly when they are the same bytes but for ASCII case
    /// and surrounding space.
    #[test]
    fn r_14_a_match_is_equality_of_bytes_but_for_ascii_case(
        held in any_address(), asked in any_address(),
    ) {
        let index = MemberIndex::new(&[member("held", email(&held))]);
        let same = held.trim().eq_ignore_ascii_case(asked.trim());
        prop_assert_eq!(matched(&index, &email(&asked)).is_ok(), same);
    }
}
