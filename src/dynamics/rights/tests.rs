use super::*;
use crate::dynamics::fixtures::{Org, ROOT, refusal};
use crate::http::fixtures::answer;
use crate::http::transport::Response;
use serde_json::json;

const USER: &str = "00000000-0000-0000-0000-000000000002";

/// Who an org says we are, when it answers the question for privileges so.
async fn told(answered: impl Fn() -> Response + Send + Sync + 'static) -> (Connected, Org) {
    let org = Org::new(move |request, _| {
        if !request.url.path().ends_with("WhoAmI") {
            return Ok(answered());
        }
        let who = json!({ "BusinessUnitId": USER, "UserId": USER, "OrganizationId": USER });
        Ok(answer(200, &[], who.to_string()))
    });
    (connected(&org.api(), None).await.unwrap(), org)
}

fn listed(privileges: &[(&str, &str)]) -> String {
    let entry = |(name, depth): &(&str, &str)| json!({ "Depth": depth, "PrivilegeName": name, "PrivilegeId": USER });
    let list: Vec<_> = privileges.iter().map(entry).collect();
    json!({ "RolePrivileges": list }).to_string()
}

#[tokio::test]
async fn r_19_privileges_are_asked_for_by_name_in_one_request() {
    let (_, org) = told(|| answer(200, &[], listed(&[]))).await;
    let lines = org.transport.lines();
    let begins = format!(
        "GET {ROOT}systemusers({USER})/Microsoft.Dynamics.CRM.\
         RetrieveUserSetOfPrivilegesByNames(PrivilegeNames=@p1)?@p1=%5B%22prvReadUser%22,"
    );
    assert!(lines[1].starts_with(&begins), "{}", lines[1]);
    assert!(lines[1].ends_with(",%22prvAppendToOpportunity%22%5D"), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn r_19_the_depth_of_each_read_privilege_is_part_of_who_reads() {
    let held = [
        ("prvReadAccount", "Local"),
        ("prvReadAccount", "Deep"),
        ("prvReadAccount", "Basic"),
        ("PRVREADCONTACT", "Basic"),
        ("prvReadOpportunity", "Global"),
        ("prvReadUser", "RecordFilter"),
        ("prvCreateNote", "Basic"),
        ("prvReadLead", "Global"),
    ];
    let (told, _) = told(move || answer(200, &[], listed(&held))).await;
    let expected = Rights::new([
        (Table::Accounts, Reach::UnitAndBelow),
        (Table::Contacts, Reach::Own),
        (Table::Opportunities, Reach::Everything),
    ]);
    assert_eq!(told.identity.rights, Some(expected));
    let privileges = told.privileges.unwrap();
    assert_eq!(privileges.held("prvReadUser"), Some(None), "held, in a way that is not known");
    assert_eq!(privileges.held("prvCreateNote"), Some(Some(Reach::Own)));
    assert_eq!(privileges.held("prvReadLead"), None, "nobody asked for it");
    assert_eq!(privileges.held("prvWriteNote"), None);
}

#[tokio::test]
async fn r_19_rights_that_are_not_told_are_not_known() {
    let old = json!({ "RolePrivileges": [{ "Depth": "Global", "PrivilegeId": USER }] }).to_string();
    let numbers = json!({ "RolePrivileges": [{ "Depth": 3, "PrivilegeName": "prvReadUser" }] });
    let denied = refusal("0x80040220", "is missing prvReadPrivilege privilege (Id=1)");
    let answers = [
        (200, old),
        (200, numbers.to_string()),
        (200, "{}".to_owned()),
        (200, "<html>".to_owned()),
        (204, String::new()),
        (400, refusal("0x80040203", "an unknown name")),
        (403, denied),
        (404, refusal("0x80060888", "no such function")),
        (503, String::new()),
    ];
    for (status, body) in answers {
        let (told, _) = told(move || answer(status, &[], body.clone())).await;
        assert_eq!(told.identity.user.as_str(), USER);
        assert!(told.identity.rights.is_none() && told.privileges.is_none(), "{status}");
    }
}

/// A fault is tried again as with any other request, and an answer then counts.
#[tokio::test]
async fn r_19_a_throttled_question_for_rights_is_asked_again() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let (told, org) =
        told(move || match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => answer(429, &[("retry-after", "20")], ""),
            1 => answer(502, &[], ""),
            _ => answer(200, &[], listed(&[("prvReadAccount", "Global")])),
        })
        .await;
    assert!(told.identity.rights.is_some());
    assert_eq!(org.transport.lines().len(), 4);
    assert_eq!(org.clock.waits().len(), 2);
}
