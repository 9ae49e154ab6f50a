use super::*;
use crate::dynamics::fixtures::{Org, ROOT, endpoints, refusal};
use crate::dynamics::tables::users::Users;
use crate::http::fixtures::answer;
use crate::model::User;
use crate::walk::ChainPlan;
use futures_util::TryStreamExt;

const COOKIE: &str = "users?$select=x&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520last%253d%257b0A%257d%22%20istracking=%22False%22%20/%3E";

fn link(page: usize) -> String {
    format!("{ROOT}systemusers?$skiptoken=%3Ccookie%20pagenumber=%22{page}%22%253c/%3E")
}

fn body(id: usize, next: Option<&str>) -> String {
    let columns =
        <<Users as Source>::Wire<'static> as crate::dynamics::wire::WireRow<'static>>::COLUMNS;
    let mut row = serde_json::Map::new();
    row.extend(columns.iter().map(|column| ((*column).to_owned(), serde_json::Value::Null)));
    row["systemuserid"] = format!("00000000-0000-0000-0000-{id:012}").into();
    let mut page = serde_json::json!({ "value": [row] });
    if let Some(next) = next {
        page["@odata.nextLink"] = next.into();
    }
    page.to_string()
}

fn read(org: &Org, from: Option<ResumeToken>) -> PageStream<'static, User> {
    let plan = ChainPlan { source: String::new(), range: TimeRange::ALL };
    let request = ChainRequest { plan, from };
    read_chain(&org.api(), &Arc::new(Intake::default()), Users, &request, Given::default())
}

/// An org with three pages of users.
fn three_pages() -> Org {
    Org::new(|request, _| {
        let page = (2..=3).find(|page| request.url.as_str() == link(*page)).unwrap_or(1);
        let next = (page < 3).then(|| link(page + 1));
        Ok(answer(200, &[], body(page, next.as_deref())))
    })
}

#[tokio::test]
async fn syn_4_links_are_followed_verbatim_to_the_end() {
    let org = three_pages();
    let pages: Vec<Page<User>> = read(&org, None).try_collect().await.unwrap();
    let ends: Vec<bool> = pages.iter().map(|page| page.resume.is_none()).collect();
    assert_eq!(ends, [false, false, true]);
    assert_eq!(
        org.transport.lines(),
        [
            format!(
                "GET {ROOT}systemusers?$select=systemuserid,fullname,internalemailaddress,\
                 domainname,isdisabled,accessmode,applicationid,versionnumber\
                 &$orderby=systemuserid"
            ),
            format!("GET {}", link(2)),
            format!("GET {}", link(3)),
        ]
    );
    let prefer: Vec<_> =
        org.transport.sent().iter().map(|request| request.headers["prefer"].clone()).collect();
    assert!(prefer.iter().all(|value| *value == prefer[0]));
    assert_eq!(pages.iter().map(|page| page.rows.len()).sum::<usize>(), 3);
}

#[test]
fn syn_4_a_double_encoded_cookie_is_sent_as_it_came() {
    let link = format!("{ROOT}{COOKIE}");
    assert_eq!(check_link(&endpoints(), "users", &link).unwrap().as_str(), link);
}

#[tokio::test]
async fn syn_8_a_read_goes_on_where_an_earlier_one_stopped() {
    let org = three_pages();
    let pages: Vec<Page<User>> = read(&org, None).try_collect().await.unwrap();
    let again = three_pages();
    let rest: Vec<Page<User>> = read(&again, pages[0].resume.clone()).try_collect().await.unwrap();
    assert_eq!(rest.len(), 2);
    assert_eq!(again.transport.lines(), [format!("GET {}", link(2)), format!("GET {}", link(3))]);
}

#[tokio::test]
async fn syn_8_a_cursor_of_no_use_says_so() {
    let hostile = ResumeToken::new("https://evil.example/api/data/v9.2/systemusers?a");
    let org = three_pages();
    let error = read(&org, Some(hostile)).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert_eq!(org.transport.sent().len(), 0);

    let org = Org::new(|_, _| Ok(answer(400, &[], refusal("0x8004112A", "bad cookie"))));
    let error =
        read(&org, Some(ResumeToken::new(link(2)))).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
}

/// The next page is asked for before the reader has done anything with this one.
#[tokio::test]
async fn syn_4_the_next_page_is_fetched_ahead() {
    let org = three_pages();
    let mut pages = read(&org, None);
    let first = pages.try_next().await.unwrap().unwrap();
    assert!(first.resume.is_some());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(org.transport.sent().len() >= 2, "nobody has asked for the second page yet");
}

#[tokio::test]
async fn r_11_a_cycle_of_links_is_an_error() {
    for length in 1..=3 {
        let org = Org::new(move |_, before| {
            let next = link(2 + before % length);
            Ok(answer(200, &[], body(before, Some(&next))))
        });
        let error = read(&org, None).try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
        assert_eq!(org.transport.sent().len(), 1 + length);
    }
}

fn hostile_links() -> Vec<String> {
    let path = "/api/data/v9.2/systemusers?$skiptoken=1";
    let host = "contoso.api.crm4.dynamics.com";
    let mut links: Vec<String> = [
        "https://evil.example",
        "https://contoso.api.crm4.dynamics.com.evil.example",
        "https://contoso.crm.dynamics.com",
        "https://fabrikam.api.crm4.dynamics.com",
        "https://CONTOSO.api.crm4.dynamics.com",
        "https://contoso.api.crm4.dynamics.com.",
        "https://contoso.api.crm4.dynamics.com:443",
        "https://contoso.api.crm4.dynamics.com:8443",
        "http://contoso.api.crm4.dynamics.com",
        "HTTPS://contoso.api.crm4.dynamics.com",
        "ftp://contoso.api.crm4.dynamics.com",
        "https://user@contoso.api.crm4.dynamics.com",
        "https://user:pw@contoso.api.crm4.dynamics.com",
        "https://@contoso.api.crm4.dynamics.com",
        "https://contoso.api.crm4.dynamics.com@evil.example",
        "https://contoso.api.crm4.dynamics.com%2f@evil.example",
        "https://127.0.0.1",
        "https://[::1]",
        "https:\\\\contoso.api.crm4.dynamics.com",
        " https://contoso.api.crm4.dynamics.com",
        "https://contoso.api.crm4.dyna\nmics.com",
        "//contoso.api.crm4.dynamics.com",
        "",
    ]
    .map(|origin| format!("{origin}{path}"))
    .into();
    links.extend(
        [
            "/api/data/v9.2/systemusers?$skiptoken=1#fragment",
            "/api/data/v9.2/accounts?$skiptoken=1",
            "/api/data/v9.2/../v9.2/systemusers?$skiptoken=1",
            "/api/data/v9.2/%73ystemusers?$skiptoken=1",
            "/api/data/v9.1/systemusers?$skiptoken=1",
            "/API/data/v9.2/systemusers?$skiptoken=1",
            "/?next=/api/data/v9.2/systemusers",
        ]
        .map(|tail| format!("https://{host}{tail}")),
    );
    links.push(format!("https://{host}{path}{}", "x".repeat(64 * 1024)));
    links.push("javascript:alert(1)".to_owned());
    links
}

/// a hostile link costs no further request.
#[tokio::test]
async fn r_11_hostile_links_are_refused_before_anything_is_sent() {
    let links = hostile_links();
    assert!(links.len() >= 30);
    for hostile in links {
        let body = body(1, Some(&hostile));
        let org = Org::new(move |_, _| Ok(answer(200, &[], body.clone())));
        let error = read(&org, None).try_collect::<Vec<_>>().await.unwrap_err();
        let shown: String = hostile.chars().take(80).collect();
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{shown}: {error:?}");
        assert_eq!(org.transport.sent().len(), 1, "{shown}");
    }
}
