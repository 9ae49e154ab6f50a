//! What the connected user may do: told with the first sync, asked for by a settings page, and part
//! of who reads.

use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Connection, FeedEvent, PreflightCheck, PreflightSubject, Reach, Readiness, Table, Verdict,
    WorkspaceId,
};
use fluint_crm::testkit::{Fault, Listing, OrgBuilder, Place, PrivilegeDepth};
use fluint_crm::{Budget, Clock as _, Error, MirrorFate, Remedy};
use time::Duration;
use uuid::Uuid;

use crate::dynamics::bench::{Bench, small_org, workspace};

const PRIVILEGES: &str = "RetrieveUserSetOfPrivilegesByNames";

async fn bench() -> Bench {
    Bench::new(small_org().builder.build()).await
}

/// What the feed has told of limits, line by line.
async fn limits(bench: &Bench, connection: &Connection) -> Vec<Vec<PreflightCheck>> {
    let told = |event| match event {
        FeedEvent::AccessLimited { checks } => Some(checks),
        _ => None,
    };
    bench.feed(connection).await.into_iter().filter_map(told).collect()
}

fn verdicts(checks: &[PreflightCheck]) -> Vec<Verdict> {
    checks.iter().map(|check| check.verdict).collect()
}

#[tokio::test]
async fn con_7_a_half_permitted_connection_says_so_with_its_first_sync() {
    let bench = bench().await;
    let dataverse = bench.fake.dataverse();
    dataverse.set_depth("prvReadAccount", PrivilegeDepth::Basic);
    dataverse.withhold_privilege("prvCreateNote");
    let connection = bench.connect().await;
    let report = bench.run().await;
    assert!(report.syncs[0].outcome.is_ok(), "it syncs what it can");
    let feed = bench.feed(&connection).await;
    let place = |wanted: fn(&FeedEvent) -> bool| feed.iter().position(wanted).unwrap();
    let line = place(|event| matches!(event, FeedEvent::AccessLimited { .. }));
    assert!(place(|event| matches!(event, FeedEvent::Connected { .. })) < line);
    assert!(line < place(|event| matches!(event, FeedEvent::SyncFinished { .. })));
    assert_eq!(
        feed[line].to_string(),
        "The connected user's access is limited: Of the accounts, only the user's own can be read. \
         To sync the others, too, ask your Dynamics administrator to give the privilege \
         prvReadAccount for the whole organization. Documents cannot be published. Ask your \
         Dynamics administrator to add the privilege prvCreateNote to a security role of the \
         connected user."
    );
    let told = limits(&bench, &connection).await;
    assert_eq!(verdicts(&told[0]), [Verdict::Limited, Verdict::Failed]);
    // It is told once, and once more when the org is connected anew.
    let asked = dataverse.requests("RetrieveTotalRecordCount");
    bench.synced(&connection).await;
    assert_eq!(dataverse.requests("RetrieveTotalRecordCount"), asked, "no second look");
    assert_eq!(limits(&bench, &connection).await.len(), 1);
    bench.clock.advance(Duration::minutes(1));
    dataverse.grant_privilege("prvCreateNote");
    bench.connect().await;
    bench.run().await;
    let told = limits(&bench, &connection).await;
    assert_eq!(told.len(), 2);
    assert_eq!(verdicts(&told[1]), [Verdict::Limited]);
}

#[tokio::test]
async fn con_7_a_connection_that_may_do_everything_says_nothing() {
    let bench = bench().await;
    let connection = bench.connect().await;
    bench.run().await;
    assert!(limits(&bench, &connection).await.is_empty());
}

/// A table that cannot be read fails the sync; the feed names all that is missing, not the first.
#[tokio::test]
async fn con_7_a_refused_table_is_told_although_the_sync_fails() {
    let bench = bench().await;
    for privilege in ["prvReadOpportunity", "prvReadContact"] {
        bench.fake.dataverse().withhold_privilege(privilege);
    }
    let connection = bench.connect().await;
    assert!(bench.run().await.syncs[0].outcome.is_err());
    let told = limits(&bench, &connection).await;
    assert_eq!(verdicts(&told[0]), [Verdict::Failed; 2]);
    let missing: Vec<_> = told[0].iter().flat_map(|check| &check.missing).collect();
    assert_eq!(missing, ["prvReadContact", "prvReadOpportunity"]);
    bench.sync_error(&connection).await;
    assert_eq!(limits(&bench, &connection).await.len(), 1);
}

/// Whatever becomes of the look, the sync goes on; an outage before the first page leaves it to the
/// next sync.
#[tokio::test]
async fn con_7_a_first_look_never_fails_a_sync() {
    let only_looked_at = "RetrieveTotalRecordCount";
    for fault in [Fault::BadGateway, Fault::Reset, Fault::TruncatedBody, Fault::Status(401)] {
        let bench = bench().await;
        bench.fake.dataverse().withhold_privilege("prvCreateNote");
        let connection = bench.connect().await;
        bench.fake.dataverse().plant_times(Place::next_to(only_looked_at), fault.clone(), 40);
        bench.run().await;
        bench.fake.dataverse().clear_faults();
        bench.synced(&connection).await;
        assert!(limits(&bench, &connection).await.len() <= 1, "{fault:?}");
    }
    let bench = bench().await;
    bench.fake.dataverse().withhold_privilege("prvCreateNote");
    let connection = bench.connect().await;
    bench.fake.dataverse().plant_times(Place::next_to("WhoAmI"), Fault::BadGateway, 400);
    assert!(bench.run().await.syncs[0].outcome.is_err());
    assert!(limits(&bench, &connection).await.is_empty());
    bench.fake.dataverse().clear_faults();
    bench.synced(&connection).await;
    assert_eq!(limits(&bench, &connection).await.len(), 1);
}

#[tokio::test]
async fn con_3_a_settings_page_gets_the_checklist_at_any_time() {
    let bench = bench().await;
    let connection = bench.connect().await;
    let found = bench.drive(bench.crm.preflight(&workspace(), connection.id)).await.unwrap();
    assert_eq!(found.readiness(), Readiness::Ready, "{found:#?}");
    assert_eq!(found.identity.user, connection.identity.user);
    let (rows, reach) = (Some(4), Some(Reach::Everything));
    let opportunities = PreflightSubject::Table { table: Table::Opportunities, rows, reach };
    assert!(found.checks.iter().any(|check| check.subject == opportunities));
    let dataverse = bench.fake.dataverse();
    dataverse.withhold_privilege("prvReadOpportunity");
    dataverse.list_privileges(Listing::Refused);
    let found = bench.drive(bench.crm.preflight(&workspace(), connection.id)).await.unwrap();
    assert_eq!(found.readiness(), Readiness::NotReady);
    dataverse.grant_privilege("prvReadOpportunity");
    dataverse.list_privileges(Listing::Nameless);
    let found = bench.drive(bench.crm.preflight(&workspace(), connection.id)).await.unwrap();
    assert_eq!(found.readiness(), Readiness::Partly);
    // Of another workspace, or disconnected: an error, not a failed check.
    let other = WorkspaceId::new("other").unwrap();
    let error = bench.crm.preflight(&other, connection.id).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    bench.crm.disconnect(&workspace(), connection.id, MirrorFate::Keep).await.unwrap();
    let error = bench.crm.preflight(&workspace(), connection.id).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
}

/// A colleague in another unit owns an account and an opportunity.
fn two_units() -> OrgBuilder {
    let mut org = small_org().builder;
    let colleague = org.add_user("Bea North", "bea@contoso.com").id();
    org.set("systemuser", colleague, "businessunitid", Uuid::from_u128(77));
    let account = org.add_account("Far away").owned_by(colleague).id();
    org.add_opportunity("Sails", account).owned_by(colleague);
    org
}

/// From now on Ada sees what belongs to her unit.
fn narrow(bench: &Bench) {
    for privilege in ["prvReadAccount", "prvReadOpportunity"] {
        bench.fake.dataverse().set_depth(privilege, PrivilegeDepth::Local);
    }
}

/// The tables whose missing rows were looked for and kept.
async fn withheld(bench: &Bench, connection: &Connection) -> Vec<Table> {
    let sweeps = bench.crm.sweeps(&workspace(), connection.id).await.unwrap().into_iter();
    sweeps.filter(|sweep| sweep.withheld.is_some()).map(|sweep| sweep.table).collect()
}

async fn accounts(bench: &Bench, connection: &Connection) -> usize {
    let query = bench.crm.query();
    query.scan(&workspace(), connection.id, Table::Accounts, None, 10).await.unwrap().len()
}

#[tokio::test]
async fn r_19_rights_that_shrank_between_two_syncs_call_nothing_missing() {
    let bench = Bench::new(two_units().build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    assert_eq!(accounts(&bench, &connection).await, 3);
    let known = bench.crm.connection(&workspace(), connection.id).await.unwrap().identity.rights;
    assert_eq!(known.unwrap().reach(Table::Accounts), Some(Reach::Everything));
    narrow(&bench);
    let requests = bench.fake.dataverse().requests("accounts");
    let report = bench.synced(&connection).await;
    assert_eq!(report.counts.rows_missing, 0, "seen with narrower rights");
    assert_eq!(bench.fake.dataverse().requests("accounts"), requests + 1, "nothing is asked for");
    assert!(withheld(&bench, &connection).await.is_empty());
    assert_eq!(accounts(&bench, &connection).await, 3, "what was known stays");
    // From now on the narrower rights are the usual ones: the rows are asked for, and hidden.
    assert_eq!(bench.synced(&connection).await.counts.rows_missing, 1);
    assert_eq!(withheld(&bench, &connection).await, [Table::Accounts, Table::Opportunities]);
    assert_eq!(accounts(&bench, &connection).await, 3, "hidden is not gone");
    let scope = Scope::connection(workspace(), connection.id);
    assert!(bench.crm.query().as_of(&scope).await.unwrap().iter().all(|(_, at)| at.is_some()));
}

/// Where the rights are not told, nothing else changes: the row is asked for at once, and hidden.
#[tokio::test]
async fn r_19_rights_that_are_not_told_are_not_compared() {
    for listing in [Listing::Refused, Listing::Nameless] {
        let bench = Bench::new(two_units().build()).await;
        bench.fake.dataverse().list_privileges(listing);
        let connection = bench.connect().await;
        bench.synced(&connection).await;
        narrow(&bench);
        assert_eq!(bench.synced(&connection).await.counts.rows_missing, 1, "{listing:?}");
        assert_eq!(accounts(&bench, &connection).await, 3, "{listing:?}");
    }
    // And a sync in which they are not told forgets nothing.
    let bench = Bench::new(two_units().build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    bench.fake.dataverse().list_privileges(Listing::Refused);
    bench.synced(&connection).await;
    bench.fake.dataverse().list_privileges(Listing::Named);
    narrow(&bench);
    assert_eq!(bench.synced(&connection).await.counts.rows_missing, 0);
}

#[tokio::test]
async fn r_19_rights_that_shrink_while_the_tables_are_read_prove_nothing() {
    let bench = Bench::new(two_units().build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    bench.crm.sync_now(&workspace(), connection.id).await.unwrap();
    let slow = Fault::TooManyRequests { retry_after: Some("300".to_owned()) };
    let dataverse = bench.fake.dataverse();
    dataverse.plant(Place::next_to("accounts"), slow);
    let narrow = async {
        bench.clock.sleep_until(bench.crm.now() + Duration::seconds(100)).await;
        narrow(&bench);
    };
    let budget = Budget::default();
    let work = async { tokio::join!(bench.crm.run_due(&budget), narrow).0 };
    let report = bench.drive(work).await.unwrap();
    let counts = report.syncs[0].outcome.as_ref().unwrap().counts;
    assert_eq!((counts.rows_missing, accounts(&bench, &connection).await), (0, 3));
    assert_eq!(bench.synced(&connection).await.counts.rows_missing, 0, "the first run with these");
    assert_eq!(bench.synced(&connection).await.counts.rows_missing, 1);
}

#[tokio::test]
async fn r_19_an_interrupted_run_is_abandoned_when_the_rights_are_others() {
    let bench = Bench::new(two_units().build()).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let dataverse = bench.fake.dataverse();
    let interrupted = async || {
        dataverse.plant(Place::next_to("opportunities"), Fault::Status(400));
        bench.sync_error(&connection).await;
        bench.crm.progress(&workspace(), connection.id).await.unwrap().unwrap().run
    };
    let first = interrupted().await;
    assert_eq!(bench.synced(&connection).await.run, first, "it goes on");
    let second = interrupted().await;
    narrow(&bench);
    let report = bench.synced(&connection).await;
    assert_ne!(report.run, second);
    assert_eq!(report.counts.rows_missing, 0);
}

/// The rights are compared where they can be read, and nothing waits for them to be.
#[tokio::test]
async fn r_19_no_fault_of_the_question_for_rights_fails_a_sync() {
    let faults = [
        Fault::BadGateway,
        Fault::Redirect("https://evil.example/".to_owned()),
        Fault::Reset,
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(500),
        Fault::TruncatedBody,
    ];
    let bench = bench().await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    for fault in faults {
        bench.fake.dataverse().plant_times(Place::next_to(PRIVILEGES), fault.clone(), 40);
        let report = bench.sync(&connection).await;
        let report = report.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!((report.counts.rows_missing, report.counts.rows_written), (0, 0), "{fault:?}");
        bench.fake.dataverse().clear_faults();
    }
}

#[tokio::test]
async fn r_19_a_check_costs_two_requests_and_so_does_asking_what_may_be_written() {
    let bench = bench().await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let dataverse = bench.fake.dataverse();
    let asked = || (dataverse.requests("WhoAmI"), dataverse.requests(PRIVILEGES));
    let before = asked();
    bench.synced(&connection).await;
    let after = asked();
    // Before the first page and after the last; and what the org lets in as notes.
    assert_eq!((after.0 - before.0, after.1 - before.1), (3, 3));
}
