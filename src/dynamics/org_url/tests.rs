use super::*;

/// Every number that the pattern of the reference admits.
fn regions() -> impl Iterator<Item = u8> {
    1..=99
}

fn suffix_of(region: u8) -> String {
    if region == 1 { "crm.dynamics.com".to_owned() } else { format!("crm{region}.dynamics.com") }
}

#[test]
fn con_1_every_suffix_is_known_with_its_cloud() {
    for region in regions() {
        let suffix = suffix_of(region);
        let org = OrgUrl::parse(&format!("contoso.{suffix}")).unwrap();
        assert_eq!(org.canonical(), format!("https://contoso.{suffix}"));
        assert_eq!(org.api_base().as_str(), format!("https://contoso.api.{suffix}/"));
        assert_eq!(org.cloud().authority_host(), "login.microsoftonline.com");
    }
    for (suffix, authority) in [
        ("crm.microsoftdynamics.us", "login.microsoftonline.us"),
        ("crm.appsplatform.us", "login.microsoftonline.us"),
        ("crm.dynamics.cn", "login.partner.microsoftonline.cn"),
    ] {
        let org = OrgUrl::parse(&format!("https://contoso.api.{suffix}/x")).unwrap();
        assert_eq!(org.canonical(), format!("https://contoso.{suffix}"));
        assert_eq!(org.web_base().as_str(), format!("https://contoso.{suffix}/"));
        assert_eq!(org.cloud().authority_host(), authority);
    }
}

#[test]
fn con_1_an_address_is_taken_as_people_paste_it() {
    for input in [
        "contoso.crm4.dynamics.com",
        "CONTOSO.CRM4.DYNAMICS.COM",
        "  contoso.crm4.dynamics.com\t\r\n",
        "https://contoso.crm4.dynamics.com",
        "HTTPS://Contoso.crm4.dynamics.com/",
        "https://contoso.crm4.dynamics.com/main.aspx?appid=1&pagetype=entitylist",
        "contoso.crm4.dynamics.com?x=1",
        "contoso.crm4.dynamics.com/main.aspx?to=http://example.com",
        "contoso.crm4.dynamics.com/a@b:80/%00",
        "https://contoso.crm4.dynamics.com/übersicht",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/",
        "Contoso.API.crm4.dynamics.com",
    ] {
        let org = OrgUrl::parse(input).unwrap();
        assert_eq!(org.canonical(), "https://contoso.crm4.dynamics.com", "{input}");
    }
    let longest = "a".repeat(63);
    assert!(OrgUrl::parse(&format!("{longest}.crm.dynamics.com")).is_ok());
    for label in ["a", "0", "a-b", "a--b", "1-2", "org1a2b3c4d"] {
        assert!(OrgUrl::parse(&format!("{label}.crm.dynamics.com")).is_ok(), "{label}");
    }
}

#[track_caller]
fn reason(input: &str) -> String {
    match OrgUrl::parse(input) {
        Err(Error::InvalidInput { what, reason }) => {
            assert_eq!(what, "org address");
            reason.into_owned()
        }
        other => panic!("{input:?} gave {other:?}"),
    }
}

#[test]
fn con_1_a_refusal_says_what_is_wrong() {
    for (input, sentence) in [
        ("", "Enter the address of your Dynamics 365 org."),
        ("http://contoso.crm.dynamics.com", "Use https:// instead of http://."),
        (
            "contoso.crm.dynamics.com:443",
            "Remove the port, the colon and what follows it, from the address.",
        ),
        ("me@contoso.crm.dynamics.com", "Remove the user name and the @ from the address."),
        ("192.0.2.7", "Enter the name of your org, not an IP address."),
        (
            "a.b.crm.dynamics.com",
            "There are too many parts in front of the address. It should look like \
             contoso.crm4.dynamics.com.",
        ),
        (
            "contoso.crm.dynamics.com.evil.com",
            "This is not a Dynamics 365 address. It should look like contoso.crm4.dynamics.com.",
        ),
        ("contoso.crm.dynamics.com.", "Remove the dot at the end of the address."),
        (
            "contoso.crm.dynamics.com#.evil.com",
            "Remove the # and everything after it from the address.",
        ),
        (
            "contoso.crm.microsoftdynamics.de",
            "Microsoft closed this German cloud in 2021. Enter the org's new address.",
        ),
        ("crm4.dynamics.com", "The name of your org is missing in front of the address."),
    ] {
        assert_eq!(reason(input), sentence, "{input}");
    }
}

/// Bad forms that no table below makes.
const BAD: &[&str] = &[
    "",
    " ",
    "\n",
    ".",
    "..",
    "/",
    "?",
    "@",
    ":",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https:///contoso.crm.dynamics.com",
    "https:contoso.crm.dynamics.com",
    "https:/contoso.crm.dynamics.com",
    "//contoso.crm.dynamics.com",
    "://contoso.crm.dynamics.com",
    "https//contoso.crm.dynamics.com",
    "https://https://contoso.crm.dynamics.com",
    "https://?contoso.crm.dynamics.com",
    "https:// contoso.crm.dynamics.com",
    "https:\\\\contoso.crm.dynamics.com",
    "https://contoso.crm.dynamics.com\\@evil.com",
    "https://contoso.crm.dynamics.com/\\evil.com",
    "contoso.crm.dynamics.com\\.evil.com",
    "\\\\contoso.crm.dynamics.com",
    "https://evil.com\\.crm.dynamics.com",
    "https://evil.com/contoso.crm.dynamics.com",
    "https://evil.com?contoso.crm.dynamics.com",
    "https://evil.com#contoso.crm.dynamics.com",
    "https://evil.com@contoso.crm.dynamics.com",
    "https://contoso.crm.dynamics.com@evil.com",
    "https://contoso.crm.dynamics.com:pw@evil.com",
    "https://:@contoso.crm.dynamics.com",
    "https://@contoso.crm.dynamics.com",
    "contoso.crm.dynamics.com:@evil.com",
    "https://user:pw@contoso.crm.dynamics.com",
    "https://user@contoso.crm.dynamics.com:443",
    "contoso.crm.dynamics.com%00.evil.com",
    "contoso.crm.dynamics.com%00",
    "contoso%2ecrm.dynamics.com",
    "contoso.crm%2edynamics.com",
    "%63ontoso.crm.dynamics.com",
    "contoso%.crm.dynamics.com",
    "contoso.crm.dynamics.com%2f.evil.com",
    "contoso.crm.dynamics.com%23.evil.com",
    "contoso.crm.dynamics.com%40evil.com",
    "contoso.crm.dynamics.com#",
    "contoso.crm.dynamics.com#.evil.com",
    "https://contoso.crm.dynamics.com/#/x",
    "https://contoso.crm.dynamics.com/main.aspx#9",
    "https://contoso.crm.dynamics.com/?a#b",
    "#contoso.crm.dynamics.com",
    "contoso.crm.dynamics.com\0",
    "contoso.crm.dynamics.com\0.evil.com",
    "con\0toso.crm.dynamics.com",
    "con\ttoso.crm.dynamics.com",
    "con\ntoso.crm.dynamics.com",
    "con\rtoso.crm.dynamics.com",
    "con toso.crm.dynamics.com",
    "contoso.crm.dynamics.com evil.com",
    "contoso.crm.dynamics.com\n.evil.com",
    "contoso.crm.dynamics.com\r\nHost: evil.com",
    "contoso.crm.dynamics.com/a\r\nb",
    "contoso.crm.dynamics.com/a b",
    "contoso.crm.dynamics.com\u{a0}",
    "con\u{200b}toso.crm.dynamics.com",
    "con\u{ad}toso.crm.dynamics.com",
    "\u{feff}contoso.crm.dynamics.com",
    "contoso.crm.dynamics.com\u{2028}evil.com",
    "contoso.crm.dynamics.com\u{85}",
    "contoso.crm.dynamics.com\u{7f}",
    "contoso.crm.dynamics.com\u{1b}[0m",
    "cöntoso.crm.dynamics.com",
    "contoso.crm.dynаmics.com",
    "contoso.сrm.dynamics.com",
    "contoso。crm.dynamics.com",
    "contoso.crm.dynamics。com",
    "contoso．crm．dynamics．com",
    "ｃontoso.crm.dynamics.com",
    "contoso.crm.dynamics.ｃom",
    "contoso.crm.dynamics.com／evil.com",
    "contoso.crm.dynamics.com＃evil.com",
    "contoso.crm.dynamics.com＠evil.com",
    "contoso.crm.dynamics.com\u{2044}evil.com",
    "contoso.crm.dynamıcs.com",
    "contoso.crm４.dynamics.com",
    "contoso.crm.dynamics.com\u{338}",
    "ｃｒｍ.dynamics.com",
    "\u{212a}ontoso.crm.dynamics.com",
    "conto\u{17f}o.crm.dynamics.com",
    "ﬁrma.crm.dynamics.com",
    "xn--contoso-abc.crm.dynamics.com",
    "XN--contoso.crm.dynamics.com",
    "contoso.crm.xn--dynamics.com",
    "contoso.xn--crm.dynamics.com",
    "contoso.crm.dynamics.com.",
    "contoso.crm.dynamics.com..",
    "contoso.crm.dynamics.com./x",
    "https://contoso.crm.dynamics.com./",
    "contoso..crm.dynamics.com",
    ".crm.dynamics.com",
    ".contoso.crm.dynamics.com",
    "contoso.crm..dynamics.com",
    "contoso.crm.dynamics..com",
    "contoso.api..crm.dynamics.com",
    "contoso..api.crm.dynamics.com",
    "crm.dynamics.com",
    "crm4.dynamics.com",
    "api.crm.dynamics.com",
    "api.api.crm.dynamics.com",
    "crm.dynamics.cn",
    "crm.microsoftdynamics.us",
    "crm.appsplatform.us",
    "dynamics.com",
    "globaldisco.crm.dynamics.com",
    "globaldisco.crm9.dynamics.com",
    "globaldisco.crm.dynamics.cn",
    "contoso.api.api.crm.dynamics.com",
    "api.contoso.crm.dynamics.com",
    "contoso.apis.crm.dynamics.com",
    "contoso.ap.crm.dynamics.com",
    "a.b.crm.dynamics.com",
    "a.b.c.d.crm.dynamics.com",
    "www.contoso.crm4.dynamics.com",
    "contoso.crm.crm.dynamics.com",
    "contoso.crm4.crm.dynamics.com",
    "contoso.crm.dynamics.com.crm.dynamics.com",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0",
    "0.0.0.0",
    "169.254.169.254",
    "10.0.0.1",
    "https://127.0.0.1/",
    "https://[::1]/",
    "[::1]",
    "https://[::1]:443",
    "[::ffff:127.0.0.1]",
    "https://[fe80::1%25eth0]/",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "https://localhost",
    "127.0.0.1.crm.dynamics.com",
    "metadata.google.internal",
    "contoso",
    "contoso.com",
    "contoso.crm",
    "contoso.crm.dynamics",
    "contoso.dynamics.com",
    "contoso.com.dynamics.crm",
    "-contoso.crm.dynamics.com",
    "contoso-.crm.dynamics.com",
    "-.crm.dynamics.com",
    "con_toso.crm.dynamics.com",
    "con*toso.crm.dynamics.com",
    "*.crm.dynamics.com",
    "con+toso.crm.dynamics.com",
    "con,toso.crm.dynamics.com",
    "con;toso.crm.dynamics.com",
    "con=toso.crm.dynamics.com",
    "con!toso.crm.dynamics.com",
    "con$toso.crm.dynamics.com",
    "con'toso.crm.dynamics.com",
    "con\"toso.crm.dynamics.com",
    "con(toso).crm.dynamics.com",
    "<contoso>.crm.dynamics.com",
    "{contoso}.crm.dynamics.com",
    "con|toso.crm.dynamics.com",
    "con^toso.crm.dynamics.com",
    "con`toso.crm.dynamics.com",
    "con~toso.crm.dynamics.com",
    "con&toso.crm.dynamics.com",
    "${contoso}.crm.dynamics.com",
    "contoso,crm.dynamics.com",
    "[contoso].crm.dynamics.com",
    "contoso.crm.dynamics.com]",
    "contoso.crm.dynamics.com,evil.com",
    "contoso.crm.dynamics.com;evil.com",
    "contoso.crm.dynamics.com&evil.com",
    "contoso.crm.dynamics.com|evil.com",
    "contoso.crm.dynamics.com=evil.com",
    "contoso.crm.dynamics.com'",
    "\"contoso.crm.dynamics.com\"",
    "<contoso.crm.dynamics.com>",
    "contoso.microsoftdynamics.us",
    "contoso.crm2.microsoftdynamics.us",
    "contoso.crm9.microsoftdynamics.us",
    "contoso.crm2.appsplatform.us",
    "contoso.crm2.dynamics.cn",
    "contoso.crm.dynamics.us",
    "contoso.crm.dynamics.de",
    "contoso.crm.microsoftdynamics.com",
    "contoso.crm.microsoftdynamics.de",
    "contoso.api.crm.microsoftdynamics.de",
    "https://contoso.crm.microsoftdynamics.de/main.aspx",
    "contoso.crm.microsoftdynamics.cn",
    "contoso.crm.appsplatform.com",
    "contoso.powerapps.com",
    "make.powerapps.com",
    "contoso.sharepoint.com",
    "login.microsoftonline.com",
    "contoso.operations.dynamics.com",
];

/// What may stand in front of, or behind, an address that is otherwise good.
fn made_bad() -> Vec<String> {
    let mut bad = Vec::new();
    for number in ["0", "00", "01", "1", "02", "010", "100", "999", "4a", "a", "-4", "+4", "４"] {
        bad.push(format!("contoso.crm{number}.dynamics.com"));
    }
    for scheme in ["http", "ftp", "ws", "wss", "file", "javascript", "data", "httpss", "xhttps"] {
        bad.push(format!("{scheme}://contoso.crm4.dynamics.com/"));
        bad.push(format!("{scheme}:contoso.crm4.dynamics.com"));
    }
    for port in ["", "0", "80", "443", "8443", "65536", "x"] {
        bad.push(format!("https://contoso.crm4.dynamics.com:{port}/"));
    }
    let suffixes =
        ["crm4.dynamics.com", "crm.microsoftdynamics.us", "crm.appsplatform.us", "crm.dynamics.cn"];
    for suffix in suffixes {
        for tail in [".evil.com", "evil.com", "-evil.com", ".", "x", ".com", ".cn"] {
            bad.push(format!("contoso.{suffix}{tail}"));
        }
        for host in ["contosocrm", "contoso-", "contoso.x", "contoso.evil-"] {
            let joined = suffix.strip_prefix("crm").unwrap();
            bad.push(format!("{host}crm.x{joined}"));
        }
        bad.push(format!("{}.{suffix}", "a".repeat(64)));
        bad.push(format!("contoso.{suffix}/{}", "a".repeat(2048)));
        bad.push(format!("contoso.x{suffix}"));
    }
    bad
}

/// Every bad form, written down and made.
pub(crate) fn all_bad() -> Vec<String> {
    BAD.iter().map(|&text| text.to_owned()).chain(made_bad()).collect()
}

#[test]
fn r_11_at_least_200_bad_forms_are_refused_with_a_sentence() {
    let all = all_bad();
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert!(distinct.len() >= 200, "{}", distinct.len());
    for input in &all {
        let sentence = reason(input);
        let (first, last) = (sentence.chars().next(), sentence.chars().last());
        assert!(first.is_some_and(char::is_uppercase) && last == Some('.'), "{sentence}");
        // What was typed may be an attack on whoever reads the sentence.
        assert!(input.trim().len() < 26 || !sentence.contains(input.trim()), "{sentence}");
    }
}

#[test]
fn con_1_the_same_org_has_two_hosts_and_no_other() {
    let org = OrgUrl::parse("contoso.crm4.dynamics.com").unwrap();
    for same in [
        "https://contoso.crm4.dynamics.com/x",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/accounts",
        "https://CONTOSO.crm4.dynamics.com:443/",
    ] {
        assert!(org.is_same_org(&Url::parse(same).unwrap()), "{same}");
    }
    for other in [
        "http://contoso.crm4.dynamics.com/",
        "https://contoso.crm.dynamics.com/",
        "https://contoso2.crm4.dynamics.com/",
        "https://contoso.crm4.dynamics.com./",
        "https://contoso.crm4.dynamics.com:8443/",
        "https://me@contoso.crm4.dynamics.com/",
        "https://:pw@contoso.crm4.dynamics.com/",
        "https://contoso.crm4.dynamics.com.evil.com/",
        "https://api.contoso.crm4.dynamics.com/",
        "ftp://contoso.crm4.dynamics.com/",
        "data:contoso.crm4.dynamics.com",
    ] {
        assert!(!org.is_same_org(&Url::parse(other).unwrap()), "{other}");
    }
}

proptest::proptest! {
    /// Whatever is typed, nothing but a name below a suffix of the table comes out.
    #[test]
    fn r_11_any_text_gives_a_name_of_the_table_or_a_refusal(input in "\\PC{0,80}") {
        check_any(&input);
    }

    #[test]
    fn r_11_any_text_around_a_good_address_stays_inside(
        before in "[a-z0-9.:/@#?%\\\\\\[\\] -]{0,12}", after in "[a-z0-9.:/@#?%\\\\\\[\\] -]{0,12}",
    ) {
        check_any(&format!("{before}contoso.crm4.dynamics.com{after}"));
    }
}

fn check_any(input: &str) {
    if let Ok(org) = OrgUrl::parse(input) {
        let host = org.api_base().host_str().unwrap();
        assert_eq!(host, org.api_host());
        let (label, rest) = host.split_once(".api.").unwrap();
        assert!(!label.contains('.') && Suffix::parse(rest).is_some(), "{input:?} gave {host}");
        assert_eq!(OrgUrl::parse(&org.canonical()).unwrap(), org);
    }
}
