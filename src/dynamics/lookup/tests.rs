use super::*;
use crate::dynamics::fixtures::{Org, ROOT, refusal};
use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::http::fixtures::answer;
use crate::model::{OpportunityStatus, Rows};

fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<RecordId> {
    let id = |n| RecordId::new(format!("00000000-0000-0000-0000-{n:012}")).unwrap();
    numbers.into_iter().map(id).collect()
}

fn row(n: u32, state: i32) -> serde_json::Value {
    serde_json::json!({
        "opportunityid": format!("00000000-0000-0000-0000-{n:012}"), "statecode": state
    })
}

/// The state of an opportunity that was found.
fn status(lookup: &Lookup) -> Option<OpportunityStatus> {
    match lookup {
        Lookup::Present { row: Rows::Opportunities(rows), .. } => Some(rows[0].status),
        _ => None,
    }
}

/// R-18: closed in both ways and still there are positive proof; absent proves nothing.
#[tokio::test]
async fn r_18_a_list_never_says_gone() {
    let body = serde_json::json!({ "value": [row(3, 2), row(1, 0), row(2, 1)] }).to_string();
    let org = Org::new(move |_, _| Ok(answer(200, &[], body.clone())));
    let found = lookup(&org.api(), &Opportunities, &ids([1, 2, 3, 4])).await.unwrap();
    assert!(matches!(&found[0], Lookup::Present { row, .. } if row.ids() == ids([1])));
    let statuses: Vec<_> = found.iter().map(status).collect();
    let closed = [OpportunityStatus::Open, OpportunityStatus::Won, OpportunityStatus::Lost];
    assert_eq!(statuses, [Some(closed[0]), Some(closed[1]), Some(closed[2]), None]);
    assert_eq!(found[3], Lookup::Hidden);
    let line = &org.transport.lines()[0];
    let tail = "&$filter=Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)\
                &@p1=%27opportunityid%27&@p2=%5B%2700000000-0000-0000-0000-000000000001%27,\
                %2700000000-0000-0000-0000-000000000002%27,";
    assert!(line.contains(tail), "{line}");
    assert!(!line.contains("statecode%20eq"), "{line}");
}

#[tokio::test]
async fn r_18_lists_are_split_so_that_their_urls_fit() {
    let org = Org::new(|_, _| Ok(answer(200, &[], r#"{"value":[]}"#)));
    let found = lookup(&org.api(), &Accounts, &ids(0..1001)).await.unwrap();
    assert_eq!(found, vec![Lookup::Hidden; 1001]);
    let lines = org.transport.lines();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() < 32_000));
    assert!(lines[0].starts_with(&format!("GET {ROOT}accounts?$select=accountid,name,")));
}

#[tokio::test]
async fn r_18_a_single_read_tells_gone_from_hidden() {
    for (status, body, expected) in [
        (404, refusal("0x80040217", "Does Not Exist"), Lookup::Gone),
        (403, refusal("0x80040220", "missing prvReadOpportunity"), Lookup::Hidden),
        (403, String::new(), Lookup::Hidden),
    ] {
        let org = Org::new(move |_, _| Ok(answer(status, &[], body.clone())));
        let found = lookup(&org.api(), &Opportunities, &ids([7])).await.unwrap();
        assert_eq!(found, [expected]);
        let path = format!("{ROOT}opportunities(00000000-0000-0000-0000-000000000007)?$select=");
        assert!(org.transport.lines()[0].starts_with(&format!("GET {path}")));
    }
    let org = Org::new(|_, _| Ok(answer(200, &[], row(7, 1).to_string())));
    let found = lookup(&org.api(), &Opportunities, &ids([7])).await.unwrap();
    assert_eq!(status(&found[0]), Some(OpportunityStatus::Won));
}

/// R-18: nothing but the service's own word is proof.
#[tokio::test]
async fn r_18_a_404_of_a_gateway_is_no_proof() {
    for body in ["", "<html>Not Found</html>"] {
        let org = Org::new(move |_, _| Ok(answer(404, &[], body)));
        assert!(lookup(&org.api(), &Opportunities, &ids([7])).await.is_err());
    }
    let org = Org::new(|_, _| Ok(answer(403, &[], refusal("0x80072560", "not a member"))));
    assert!(lookup(&org.api(), &Opportunities, &ids([7])).await.is_err());
}

#[tokio::test]
async fn r_15_an_id_that_is_no_guid_is_not_sent() {
    let org = Org::new(|_, _| panic!("sent"));
    let hostile = [RecordId::new("x') or (1 eq 1").unwrap()];
    let error = lookup(&org.api(), &Accounts, &hostile).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
}

/// The fields that an answer leaves open.
fn open(lookup: &Lookup) -> Vec<&str> {
    let Lookup::Present { absent, .. } = lookup else { panic!("{lookup:?}") };
    absent.iter().map(|field| &**field).collect()
}

/// R-21: a column that no row of a list has, or that a single row has not, says nothing; one that
/// some rows have is null in the others.
#[tokio::test]
async fn r_21_a_row_found_by_its_id_says_what_did_not_come() {
    let mut named = row(1, 0);
    named["name"] = "One".into();
    let body = serde_json::json!({ "value": [named, row(2, 1)] }).to_string();
    let org = Org::new(move |_, _| Ok(answer(200, &[], body.clone())));
    let found = lookup(&org.api(), &Opportunities, &ids([1, 2])).await.unwrap();
    for found in &found {
        let open = open(found);
        assert!(open.contains(&"owner") && open.contains(&"value"), "{open:?}");
        assert!(!open.contains(&"name") && !open.contains(&"status"), "{open:?}");
    }
    let org = Org::new(|_, _| Ok(answer(200, &[], row(7, 1).to_string())));
    let found = lookup(&org.api(), &Opportunities, &ids([7])).await.unwrap();
    let open = open(&found[0]);
    assert!(open.contains(&"name") && !open.contains(&"status"), "{open:?}");
}
