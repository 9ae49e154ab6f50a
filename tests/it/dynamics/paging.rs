//! Pages, links and throttles of a bigger org (SYN-4, SYN-5, R-1, R-3, R-11).

use std::time::Duration as StdDuration;

use fluint_crm::Error;
use fluint_crm::model::{Connection, Table};
use fluint_crm::testkit::{Fault, OrgBuilder, Place};
use serde_json::json;
use time::Duration;
use wiremock::{MockServer, ResponseTemplate};

use crate::dynamics::bench::{Bench, IN_FLIGHT, member, workspace};
use crate::dynamics::odd_org::OddOrg;

/// An org of so many opportunities of which four in five are open, and half as many contacts.
async fn big(opportunities: u64) -> (Bench, Connection) {
    let bench = Bench::new(OrgBuilder::synthetic(7, opportunities).build()).await;
    let sellers = (1..=10).map(|n| member(&format!("s{n}"), &format!("seller{n}@contoso.com")));
    bench.people.set(sellers.collect());
    let connection = bench.connect().await;
    (bench, connection)
}

async fn rows_of(bench: &Bench, connection: &Connection, table: Table) -> u64 {
    let progress = bench.crm.progress(&workspace(), connection.id).await.unwrap().unwrap();
    progress.tables.iter().find(|one| one.table == table).unwrap().rows
}

/// After this the mirror holds every row and the deals are complete.
async fn is_whole(bench: &Bench, connection: &Connection, opportunities: u64) {
    assert_eq!(rows_of(bench, connection, Table::Contacts).await, opportunities / 2);
    assert_eq!(rows_of(bench, connection, Table::Accounts).await, opportunities / 5);
    assert_eq!(rows_of(bench, connection, Table::StageAssignments).await, opportunities);
    let open = rows_of(bench, connection, Table::Opportunities).await;
    assert!(open > opportunities * 78 / 100 && open < opportunities * 82 / 100, "{open} are open");
    let deals = bench.deals(connection).await;
    assert_eq!(deals.len() as u64, open, "every open opportunity is a deal");
    assert!(deals.iter().all(|deal| deal.details.stage.is_some()));
    assert_eq!(bench.missing(connection).await, 0);
}

#[tokio::test]
async fn syn_4_syn_5_syn_6_a_big_org_comes_in_pages_through_throttles_and_gateways() {
    let (bench, connection) = big(12_000).await;
    let dataverse = bench.fake.dataverse();
    let slow = Fault::TooManyRequests { retry_after: Some("120".to_owned()) };
    dataverse.plant(Place::page("opportunities", 2), slow);
    dataverse.plant(Place::page("contacts", 2), Fault::BadGateway);
    let busy = Fault::Unavailable { retry_after: Some(StdDuration::from_secs(30)) };
    dataverse.plant(Place::page("opportunitysalesprocesses", 2), busy);
    dataverse.plant(
        Place::page("opportunitysalesprocesses", 3),
        Fault::Unavailable { retry_after: None },
    );
    dataverse.plant(Place::page("accounts", 1), Fault::EmptyPage);
    let before = bench.crm.now();
    let report = bench.synced(&connection).await;
    assert!(bench.crm.now() - before >= Duration::seconds(120), "R-3: waited in full");
    assert!(dataverse.impatient_requests() <= IN_FLIGHT, "R-3: nobody asks while told to wait");
    is_whole(&bench, &connection, 12_000).await;
    assert!(report.counts.pages >= 9, "{} pages", report.counts.pages);
    let journal = dataverse.journal();
    let links = journal.iter().filter(|line| line.contains("$skiptoken=")).count();
    assert!(links >= 5, "the links were followed");
    // Again, with nothing changed: the same rows are read and none is written.
    let again = bench.synced(&connection).await.counts;
    assert_eq!((again.rows_read, again.rows_written), (report.counts.rows_read, 0), "SYN-6");
    assert_eq!((again.deals_created, again.deals_updated, again.rows_missing), (0, 0, 0));
}

#[tokio::test]
async fn syn_7_syn_8_r_16_faults_on_a_second_page_lose_nothing_and_the_next_run_goes_on() {
    let (bench, connection) = big(6_500).await;
    let dataverse = bench.fake.dataverse();
    for fault in [Fault::TruncatedBody, Fault::Redirect("https://evil.example/".to_owned())] {
        dataverse.plant(Place::page("opportunities", 2), fault.clone());
        let first_pages = || {
            let is_first =
                |line: &&String| line.contains("/opportunities?") && !line.contains("$skiptoken");
            dataverse.journal().iter().filter(is_first).count()
        };
        let before = first_pages();
        let error = bench.sync_error(&connection).await;
        assert!(
            matches!(error, Error::UnexpectedResponse { .. } | Error::Rejected { .. }),
            "{fault:?}: {error:?}"
        );
        assert_eq!(bench.missing(&connection).await, 0, "{fault:?}");
        bench.synced(&connection).await;
        assert_eq!(first_pages(), before + 1, "{fault:?}: it went on at the second page");
        is_whole(&bench, &connection, 6_500).await;
    }
    for fault in [
        Fault::Reset,
        Fault::AnswerLost,
        Fault::ErrorInSuccess,
        Fault::ExpiredToken,
        Fault::EmptyPage,
    ] {
        dataverse.plant(Place::page("opportunities", 2), fault.clone());
        let report = bench.synced(&connection).await;
        assert_eq!(report.counts.rows_written, 0, "{fault:?}");
        assert_eq!(bench.missing(&connection).await, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn syn_5_r_3_a_throttle_longer_than_we_wait_gives_the_work_back_until_then() {
    let bench = Bench::new(OrgBuilder::synthetic(7, 40).build()).await;
    let connection = bench.connect().await;
    let date = Fault::TooManyRequests { retry_after: Some("7200".to_owned()) };
    bench.fake.dataverse().plant(Place::page("contacts", 1), date);
    let before = bench.crm.now();
    bench.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let report = bench.run().await;
    let error = report.syncs[0].outcome.as_ref().unwrap_err();
    let until = error.retry_at().expect("it says when");
    assert!(until >= before + Duration::hours(2), "{until}");
    assert!(report.next_due.unwrap() >= until, "not before the service wants to be asked");
    // Even when the host asks at once, nothing is sent before that.
    let sent = bench.fake.dataverse().total_requests();
    bench.sync(&connection).await.unwrap_err();
    assert_eq!(bench.fake.dataverse().total_requests(), sent);
    bench.clock.advance(until - bench.crm.now());
    bench.synced(&connection).await;
    assert!(bench.fake.dataverse().impatient_requests() <= IN_FLIGHT);
}

#[tokio::test]
async fn syn_5_r_3_a_date_in_retry_after_is_waited_for_in_full() {
    let bench = Bench::new(OrgBuilder::synthetic(7, 40).build()).await;
    let connection = bench.connect().await;
    // The bench begins at 09:00.
    let date = Some("Mon, 02 Feb 2026 09:10:00 GMT".to_owned());
    bench
        .fake
        .dataverse()
        .plant(Place::page("contacts", 1), Fault::TooManyRequests { retry_after: date });
    bench.synced(&connection).await;
    assert!(bench.crm.now() >= time::macros::datetime!(2026-02-02 09:10 UTC));
}

#[tokio::test]
async fn syn_4_r_11_a_foreign_or_tampered_link_is_refused_and_nothing_is_sent_there() {
    let trap = MockServer::start().await;
    let odd = OddOrg::start().await;
    let connection = odd.connect().await;
    // The first sync also looks at what the user may do, which takes a request to every table.
    odd.sync(&connection).await.unwrap();
    let own = odd.base();
    let port = own.rsplit(':').next().unwrap().to_owned();
    let path = "/api/data/v9.2/contacts?$skiptoken=x";
    let trap_port = trap.uri().rsplit(':').next().unwrap().to_owned();
    let hostile = [
        format!("{}{path}", trap.uri()),
        format!("http://localhost:{trap_port}{path}"),
        format!("http://[::1]:{trap_port}{path}"),
        format!("http://2130706433:{port}{path}"),
        format!("http://0x7f.1:{port}{path}"),
        format!("http://127.1:{port}{path}"),
        format!("http://localhost:{port}{path}"),
        format!("https://127.0.0.1:{port}{path}"),
        format!("ftp://127.0.0.1:{port}{path}"),
        format!("http://@127.0.0.1:{port}{path}"),
        format!("http://127.0.0.1:{port}@evil.example{path}"),
        format!("http://127.0.0.1:0{port}{path}"),
        format!("http:\\\\127.0.0.1:{port}{path}"),
        format!("//127.0.0.1:{port}{path}"),
        format!(" {own}{path}"),
        format!("{own}//api/data/v9.2/contacts?$skiptoken=x"),
        format!("{own}/api/data/v9.2/%63ontacts?$skiptoken=x"),
        format!("{own}/API/data/v9.2/contacts?$skiptoken=x"),
        format!("{own}/api/data/v9.2/contacts/?$skiptoken=x"),
        format!("{own}/?next={path}"),
        "javascript:alert(1)".to_owned(),
        "data:application/json,{\"value\":[]}".to_owned(),
        format!("https://contoso.crm4.dynamics.com.evil.example{path}"),
        format!("http://me:secret@127.0.0.1:{port}{path}"),
        format!("http://127.0.0.1.:{port}{path}"),
        format!("HTTP://127.0.0.1:{port}{path}"),
        format!("{own}/api/data/v9.2/accounts?$skiptoken=x"),
        format!("{own}/api/data/v9.1/contacts?$skiptoken=x"),
        format!("{own}/api/data/v9.2/../v9.2/contacts?$skiptoken=x"),
        format!("{own}/api/data/v9.2/contacts?$skiptoken=x#fragment"),
        format!("{own}/api/data/v9.2/contacts?$skiptoken={}", "a".repeat(64 * 1024)),
        path.to_owned(),
        "not a link".to_owned(),
        String::new(),
        "file:///etc/passwd".to_owned(),
    ];
    assert!(hostile.len() >= 30);
    for link in hostile {
        let page = json!({ "value": [], "@odata.nextLink": link });
        odd.answer("contacts", ResponseTemplate::new(200).set_body_json(page));
        let before = odd.requests("contacts").await.len();
        let error = odd.sync(&connection).await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{link}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "no link in messages");
        assert_eq!(odd.requests("contacts").await.len(), before + 1, "{link}");
    }
    assert!(trap.received_requests().await.unwrap().is_empty());
    // A link that leads in a circle ends, too.
    let page = json!({ "value": [], "@odata.nextLink": format!("{own}{path}") });
    odd.answer("contacts", ResponseTemplate::new(200).set_body_json(page));
    let error = odd.sync(&connection).await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
    odd.answer("contacts", ResponseTemplate::new(200).set_body_json(json!({ "value": [] })));
    odd.sync(&connection).await.unwrap();
}

#[tokio::test]
async fn r_11_no_redirect_is_followed_anywhere() {
    let trap = MockServer::start().await;
    let odd = OddOrg::start().await;
    let connection = odd.connect().await;
    // The first sync also looks at what the user may do, which takes a request to every table.
    odd.sync(&connection).await.unwrap();
    for status in [300, 301, 302, 303, 304, 305, 306, 307, 308, 399] {
        for to in [trap.uri(), format!("{}/api/data/v9.2/contacts?$skiptoken=x", odd.base())] {
            let answer = ResponseTemplate::new(status).insert_header("location", to.as_str());
            odd.answer("contacts", answer);
            let before = odd.requests("contacts").await.len();
            let error = odd.sync(&connection).await.unwrap_err();
            assert!(matches!(error, Error::UnexpectedResponse { .. }), "{status}: {error:?}");
            assert_eq!(odd.requests("contacts").await.len(), before + 1, "{status} to {to}");
        }
    }
    assert!(trap.received_requests().await.unwrap().is_empty());
}
