use super::*;
use crate::dynamics::decode::page;
use crate::dynamics::ranges::first_page;
use crate::model::OwnerRef;
use crate::walk::TimeRange;
use time::macros::{date, datetime};

/// A row as the service answers it, annotations included.
const GOLDEN: &str = r#"{
  "@odata.etag":"W/\"4711223\"",
  "opportunityid":"5F6C0000-0000-0000-0000-000000000001",
  "name":"500 seats \u00e0 la carte",
  "_ownerid_value":"0a000000-0000-0000-0000-000000000001",
  "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"systemuser",
  "_owninguser_value":"0a000000-0000-0000-0000-000000000001",
  "_owningteam_value":null,
  "statecode":0,"statuscode":1,
  "_customerid_value":"0b000000-0000-0000-0000-000000000001",
  "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"account",
  "_parentaccountid_value":null,
  "_parentcontactid_value":"0c000000-0000-0000-0000-000000000001",
  "stageid":"0d000000-0000-0000-0000-000000000001",
  "processid":"00000000-0000-0000-0000-000000000000",
  "stepname":"2-Develop",
  "estimatedvalue":922337203685477.5807,"estimatedvalue_base":9007199254740993,
  "actualvalue":null,"actualvalue_base":null,
  "_transactioncurrencyid_value":"0e000000-0000-0000-0000-000000000001",
  "estimatedclosedate":"2026-03-31","actualclosedate":null,
  "closeprobability":60,
  "createdon":"2026-01-02T03:04:05Z","modifiedon":"2026-02-01T21:59:01Z",
  "versionnumber":4711223
}"#;

fn decode(row: &str) -> Opportunity {
    let body = format!(r#"{{"value":[{row}]}}"#);
    let mut page = page(&Opportunities, body.as_bytes()).unwrap();
    assert_eq!(page.unreadable, 0);
    page.rows.remove(0)
}

fn golden(changes: &[(&str, &str)]) -> Opportunity {
    let row = changes.iter().fold(GOLDEN.to_owned(), |row, (from, to)| {
        assert!(row.contains(from), "{from}");
        row.replacen(from, to, 1)
    });
    decode(&row)
}

#[test]
fn syn_1_a_row_becomes_an_opportunity() {
    let opportunity = golden(&[]);
    let id = |n: u8| format!("0{n:x}000000-0000-0000-0000-000000000001");
    let mut expected = Opportunity::new("5f6c0000-0000-0000-0000-000000000001".try_into().unwrap());
    expected.name = Some("500 seats à la carte".to_owned());
    expected.owner = Some(OwnerRef::User(id(0xa).try_into().unwrap()));
    expected.status_reason = Some("In Progress".to_owned());
    expected.customer = Some(CustomerRef::Account(id(0xb).try_into().unwrap()));
    expected.contact = Some(id(0xc).try_into().unwrap());
    expected.record_stage.stage = Some(id(0xd).try_into().unwrap());
    expected.record_stage.label = Some("2-Develop".to_owned());
    expected.value = Some("922337203685477.5807".parse().unwrap());
    expected.base_value = Some("9007199254740993".parse().unwrap());
    expected.currency = Some(id(0xe).try_into().unwrap());
    expected.close_date = Some(date!(2026 - 03 - 31));
    expected.probability = Some(60);
    expected.created_at = Some(datetime!(2026-01-02 03:04:05 UTC));
    expected.modified_at = Some(datetime!(2026-02-01 21:59:01 UTC));
    expected.version = crate::model::RowVersion::new(4_711_223);
    assert_eq!(opportunity, expected);
}

#[test]
fn syn_4_open_opportunities_are_asked_for_in_the_order_of_their_key() {
    assert_eq!(
        first_page(&Opportunities, TimeRange::ALL).unwrap(),
        "opportunities?$select=opportunityid,name,_ownerid_value,_owninguser_value,\
         _owningteam_value,statecode,statuscode,_customerid_value,_parentaccountid_value,\
         _parentcontactid_value,stageid,processid,stepname,estimatedvalue,estimatedvalue_base,\
         actualvalue,actualvalue_base,_transactioncurrencyid_value,estimatedclosedate,\
         actualclosedate,closeprobability,createdon,modifiedon,versionnumber\
         &$filter=statecode eq 0&$orderby=opportunityid"
    );
}

#[test]
fn dea_1_the_owner_is_told_without_the_annotation_too() {
    const ANNOTATION: &str =
        r#""_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"systemuser","#;
    let user = golden(&[(ANNOTATION, "")]);
    assert!(matches!(user.owner, Some(OwnerRef::User(_))));
    let team = r#""_owningteam_value":"0f000000-0000-0000-0000-000000000001""#;
    let changes = [
        (ANNOTATION, ""),
        (r#""_owningteam_value":null"#, team),
        (
            r#""_owninguser_value":"0a000000-0000-0000-0000-000000000001""#,
            r#""_owninguser_value":null"#,
        ),
    ];
    assert!(matches!(golden(&changes).owner, Some(OwnerRef::Team(_))));
    assert!(matches!(
        golden(&[("lookuplogicalname\":\"systemuser\"", "lookuplogicalname\":\"team\"")]).owner,
        Some(OwnerRef::Team(_))
    ));
}

#[test]
fn dea_5_the_customer_may_be_a_person() {
    let changed = golden(&[("lookuplogicalname\":\"account\"", "lookuplogicalname\":\"contact\"")]);
    assert!(matches!(changed.customer, Some(CustomerRef::Contact(_))));
    let account = "0b000000-0000-0000-0000-000000000001";
    let by_column = golden(&[
        ("\"_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname\":\"account\",", ""),
        ("\"_parentaccountid_value\":null", &format!("\"_parentaccountid_value\":\"{account}\"")),
    ]);
    assert_eq!(by_column.customer, Some(CustomerRef::Account(account.try_into().unwrap())));
}

#[test]
fn dea_5_once_won_the_actual_value_counts() {
    let actual = ("\"actualvalue\":null", "\"actualvalue\":100.0000");
    let base = ("\"actualvalue_base\":null", "\"actualvalue_base\":90.0000");
    let state = |code| ("\"statecode\":0", code);
    let won = golden(&[state("\"statecode\":1"), actual, base]);
    assert_eq!(won.status, OpportunityStatus::Won);
    assert_eq!(won.value.map(|value| value.to_string()).as_deref(), Some("100"));
    assert_eq!(won.base_value.map(|value| value.to_string()).as_deref(), Some("90"));
    let open = golden(&[actual, base]);
    assert_eq!(open.value, golden(&[]).value);
    let lost = golden(&[state("\"statecode\":2"), actual]);
    assert_eq!((lost.status, lost.value), (OpportunityStatus::Lost, open.value));
}

#[test]
fn r_21_an_unknown_state_is_kept_and_not_open() {
    assert_eq!(
        golden(&[("\"statecode\":0", "\"statecode\":7")]).status,
        OpportunityStatus::Unknown
    );
    let reason = golden(&[("\"statuscode\":1", "\"statuscode\":100000042")]).status_reason;
    assert_eq!(reason.as_deref(), Some("100000042"));
}

#[test]
fn r_21_nulls_clear_and_percents_are_bounded() {
    let cleared = golden(&[("\"closeprobability\":60", "\"closeprobability\":null")]);
    assert_eq!(cleared.probability, None);
    let beyond = golden(&[("\"closeprobability\":60", "\"closeprobability\":101")]);
    assert_eq!(beyond.probability, None);
}
