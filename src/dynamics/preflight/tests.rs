use super::*;
use crate::connector::CrmConnector;
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::fixtures::{Org, refusal};
use crate::error::Error;
use crate::http::fixtures::answer;
use crate::http::transport::Response;
use crate::model::Readiness;
use serde_json::{Value, json};

const ID: &str = "00000000-0000-0000-0000-000000000002";

/// An org in which everything is allowed, but for what a test says about the last part of a path.
fn org(odd: impl Fn(&str) -> Option<Response> + Send + Sync + 'static) -> Org {
    Org::new(move |request, _| {
        let path = request.url.path();
        let name = path.rsplit(['/', '.']).next().unwrap_or_default();
        let name = name.split('(').next().unwrap_or_default();
        Ok(odd(name).unwrap_or_else(|| answer(200, &[], usual(name).to_string())))
    })
}

fn usual(name: &str) -> Value {
    match name {
        "WhoAmI" => json!({ "BusinessUnitId": ID, "UserId": ID, "OrganizationId": ID }),
        "RetrieveUserSetOfPrivilegesByNames" => privileges(&[]),
        "RetrieveTotalRecordCount" => json!({ "EntityRecordCountCollection": {
            "Keys": ["systemuser", "account"], "Values": [40, 1200] } }),
        "organizations" => json!({ "value": [{ "maxuploadfilesize": 5_242_880,
            "blockedattachments": "exe; HTA;shtml", "blockedmimetypes": null,
            "allowedmimetypes": "" }] }),
        "workflows" => json!({ "value": [{ "workflowid": ID, "name": "Sales",
            "uniquename": "opportunitysalesprocess", "primaryentity": "opportunity" }] }),
        _ => json!({ "value": [] }),
    }
}

/// All privileges over the whole organisation, but for these depths; an empty one takes it away.
fn privileges(depths: &[(&str, &str)]) -> Value {
    let all = READS.into_iter().map(|(_, name)| name).chain(NOTES);
    let depth = |name: &str| {
        depths.iter().find(|(odd, _)| *odd == name).map_or("Global", |(_, depth)| *depth)
    };
    let held = all.filter(|name| !depth(name).is_empty());
    let held = held.map(|name| json!({ "PrivilegeName": name, "Depth": depth(name) }));
    json!({ "RolePrivileges": held.collect::<Vec<_>>() })
}

async fn look(org: &Org) -> Result<Preflight> {
    DynamicsConnector::new(&org.parts()).preflight().await
}

/// The checklist of an org where one question is answered oddly.
async fn with(name: &'static str, body: Value) -> Preflight {
    let org = org(move |asked| (asked == name).then(|| answer(200, &[], body.to_string())));
    look(&org).await.unwrap()
}

async fn with_privileges(depths: &[(&str, &str)]) -> Preflight {
    with("RetrieveUserSetOfPrivilegesByNames", privileges(depths)).await
}

/// The checklist of an org that refuses some tables or functions.
async fn refusing(names: &'static [&'static str], code: &str, message: &str) -> Preflight {
    let body = refusal(code, message);
    let org = org(move |asked| names.contains(&asked).then(|| answer(403, &[], body.clone())));
    look(&org).await.unwrap()
}

#[track_caller]
fn of(preflight: &Preflight, wanted: Table) -> PreflightCheck {
    let is_it = |check: &&PreflightCheck| match check.subject {
        PreflightSubject::Table { table, .. } => table == wanted,
        PreflightSubject::Stages => wanted == Table::Stages,
        _ => false,
    };
    preflight.checks.iter().find(is_it).unwrap().clone()
}

#[track_caller]
fn notes_of(preflight: &Preflight) -> PreflightCheck {
    let is_it = |check: &&PreflightCheck| matches!(check.subject, PreflightSubject::Notes { .. });
    preflight.checks.iter().find(is_it).unwrap().clone()
}

#[track_caller]
fn attachments_of(preflight: &Preflight) -> PreflightCheck {
    preflight.checks.last().unwrap().clone()
}

#[tokio::test]
async fn con_3_a_user_who_may_do_everything_passes_in_seven_requests() {
    let org = org(|_| None);
    let found = look(&org).await.unwrap();
    let verdicts: Vec<_> = found.checks.iter().map(|check| check.verdict).collect();
    assert_eq!(verdicts, [Verdict::Passed; 8], "{found:#?}");
    assert_eq!(found.readiness(), Readiness::Ready);
    assert!(found.checks.iter().all(|check| check.missing.is_empty()));
    assert_eq!(org.transport.lines().len(), 7, "{:#?}", org.transport.lines());
    let reach = Some(Reach::Everything);
    let users = PreflightSubject::Table { table: Table::Users, rows: Some(40), reach };
    assert_eq!(found.checks[0].subject, users);
    assert_eq!(found.checks[0].message, "All users can be read.");
    let contacts = PreflightSubject::Table { table: Table::Contacts, rows: None, reach };
    assert_eq!(of(&found, Table::Contacts).subject, contacts, "nobody has counted them");
    assert_eq!(notes_of(&found).message, "Documents can be published to every opportunity.");
    let largest_file = Some(3_932_160);
    let policy = PreflightSubject::Attachments { largest_file, html: Some(true) };
    assert_eq!(attachments_of(&found).subject, policy);
    assert_eq!(attachments_of(&found).message, "HTML files of up to 3.75 MB can be attached.");
}

#[tokio::test]
async fn con_3_a_right_that_reaches_less_far_is_limited_and_says_how_far() {
    let depths =
        [("prvReadAccount", "Local"), ("prvReadContact", "Deep"), ("prvReadOpportunity", "Basic")];
    let found = with_privileges(&depths).await;
    assert_eq!(found.readiness(), Readiness::Partly);
    let accounts = of(&found, Table::Accounts);
    let (rows, reach) = (Some(1200), Some(Reach::Unit));
    let subject = PreflightSubject::Table { table: Table::Accounts, rows, reach };
    assert_eq!((accounts.subject, accounts.verdict), (subject, Verdict::Limited));
    assert_eq!(
        accounts.message,
        "Of the accounts, only those of the user's business unit can be read. To sync the others, \
         too, ask your Dynamics administrator to give the privilege prvReadAccount for the whole \
         organization."
    );
    assert!(of(&found, Table::Contacts).message.contains("and the units below it can be read"));
    assert!(of(&found, Table::Opportunities).message.contains("only the user's own can be read"));
    assert_eq!(found.limits().count(), 3);
}

#[tokio::test]
async fn con_3_a_refused_table_fails_and_names_the_privilege() {
    let list = privileges(&[("prvReadOpportunity", "")]).to_string();
    let missing = "Principal user is missing prvReadOpportunity privilege (Id=1) on OTC=3";
    let org = org(move |asked| match asked {
        "RetrieveUserSetOfPrivilegesByNames" => Some(answer(200, &[], list.clone())),
        "opportunities" => Some(answer(403, &[], refusal("0x80040220", missing))),
        _ => None,
    });
    let found = look(&org).await.unwrap();
    let check = of(&found, Table::Opportunities);
    assert_eq!(check.verdict, Verdict::Failed);
    assert_eq!(
        check.message,
        "The opportunities cannot be read. Ask your Dynamics administrator to add the privilege \
         prvReadOpportunity to a security role of the connected user."
    );
    assert_eq!(check.missing, ["prvReadOpportunity".to_owned()].into());
    assert_eq!(found.readiness(), Readiness::NotReady);
    assert_eq!(found.limits().count(), 1, "the others pass");
    assert_eq!(org.transport.lines().len(), 8, "one row is tried");
}

/// What the list leaves out need not be lacking: the table itself has the last word.
#[tokio::test]
async fn con_3_a_table_that_answers_can_be_read_whatever_the_list_says() {
    let found =
        with_privileges(&[("prvReadAccount", ""), ("prvReadContact", "RecordFilter")]).await;
    for table in [Table::Accounts, Table::Contacts] {
        let check = of(&found, table);
        assert_eq!(check.verdict, Verdict::Unknown, "{table}");
        assert!(check.message.contains("does not tell whether these are all"), "{table}");
        assert!(matches!(check.subject, PreflightSubject::Table { reach: None, .. }));
    }
    assert_eq!(found.readiness(), Readiness::Partly);
}

#[tokio::test]
async fn con_3_without_a_list_of_privileges_every_table_is_tried() {
    let old = json!({ "RolePrivileges": [{ "Depth": "Global", "PrivilegeId": ID }] });
    let lists = [(200, old.to_string()), (403, refusal("0x80040220", "missing prvReadRole"))];
    for (status, list) in lists {
        let org = org(move |asked| match asked {
            "RetrieveUserSetOfPrivilegesByNames" => Some(answer(status, &[], list.clone())),
            "accounts" => Some(answer(403, &[], refusal("0x80040220", "no words"))),
            _ => None,
        });
        let found = look(&org).await.unwrap();
        assert_eq!(found.identity.rights, None);
        let accounts = of(&found, Table::Accounts);
        assert_eq!(accounts.verdict, Verdict::Failed);
        assert_eq!(accounts.missing, ["prvReadAccount".to_owned()].into(), "the one that is meant");
        for table in [Table::Users, Table::Contacts, Table::Opportunities, Table::Currencies] {
            assert_eq!(of(&found, table).verdict, Verdict::Unknown, "{table}");
        }
        assert_eq!(of(&found, Table::Stages).verdict, Verdict::Passed);
        assert_eq!(notes_of(&found).verdict, Verdict::Unknown);
        assert!(notes_of(&found).message.contains("the first published document shows it"));
        assert_eq!(org.transport.lines().len(), 12, "{:#?}", org.transport.lines());
    }
}

#[tokio::test]
async fn con_3_a_table_that_is_not_there_says_so() {
    let list = privileges(&[("prvReadOpportunity", "")]).to_string();
    let org = org(move |asked| match asked {
        "RetrieveUserSetOfPrivilegesByNames" => Some(answer(200, &[], list.clone())),
        "opportunities" => Some(answer(404, &[], refusal("0x80060888", "no segment"))),
        _ => None,
    });
    let check = of(&look(&org).await.unwrap(), Table::Opportunities);
    assert_eq!(check.verdict, Verdict::Failed);
    assert!(check.message.contains("whether the Dynamics 365 Sales app is installed"), "{check:?}");
    assert!(check.missing.is_empty());
}

#[tokio::test]
async fn con_3_notes_need_five_privileges() {
    let some = with_privileges(&[(APPEND_TO_OPPORTUNITIES, "Basic"), ("prvCreateNote", "Basic")]);
    let some = notes_of(&some.await);
    assert_eq!((some.verdict, some.missing.len()), (Verdict::Limited, 0));
    assert_eq!(some.subject, PreflightSubject::Notes { reach: Some(Reach::Own) });
    assert!(
        some.message.starts_with(
            "Of the opportunities, documents can be published only to the user's own."
        )
    );
    let once = notes_of(&with_privileges(&[("prvWriteNote", "")]).await);
    assert_eq!((once.verdict, once.missing.len()), (Verdict::Limited, 1));
    assert!(once.message.starts_with("Documents can be published, but not updated later."));
    for privilege in NOTES.into_iter().filter(|name| *name != WRITE_NOTES) {
        let check = notes_of(&with_privileges(&[(privilege, "")]).await);
        assert_eq!(check.verdict, Verdict::Failed, "{privilege}");
        assert_eq!(check.missing, [privilege.to_owned()].into());
        assert!(check.message.contains(&format!("add the privilege {privilege} to")));
    }
    let none = NOTES.map(|privilege| (privilege, ""));
    let none = notes_of(&with_privileges(&none).await);
    assert_eq!(none.missing.len(), 5);
    assert!(none.message.contains(
        "add the privileges prvCreateNote, prvReadNote, prvWriteNote, prvAppendNote and \
         prvAppendToOpportunity to"
    ));
}

#[tokio::test]
async fn con_3_the_attachment_policy_is_read() {
    let policy =
        async |row: Value| attachments_of(&with("organizations", json!({ "value": [row] })).await);
    let blocked = [
        json!({ "blockedattachments": "exe;HTML" }),
        json!({ "blockedmimetypes": "image/png; text/html" }),
        json!({ "allowedmimetypes": "application/pdf" }),
        json!({ "allowedmimetypes": "text/html", "blockedattachments": "html" }),
    ];
    for row in blocked {
        let check = policy(row.clone()).await;
        assert_eq!(check.verdict, Verdict::Failed, "{row}");
        assert!(check.message.contains("take html off the blocked extensions"));
        assert!(matches!(check.subject, PreflightSubject::Attachments { html: Some(false), .. }));
    }
    let allowed = [
        json!({ "allowedmimetypes": "application/pdf; Text/HTML" }),
        json!({ "allowedmimetypes": "text/html", "blockedmimetypes": "text/html" }),
        json!({}),
    ];
    for row in allowed {
        assert_eq!(policy(row.clone()).await.verdict, Verdict::Passed, "{row}");
    }
    let small = policy(json!({ "maxuploadfilesize": 400 * 1024 })).await;
    assert_eq!(small.verdict, Verdict::Limited);
    assert!(small.message.starts_with("Documents larger than 300 KB cannot be published."));
    let largest_file = Some(300 * 1024);
    assert_eq!(small.subject, PreflightSubject::Attachments { largest_file, html: Some(true) });
    let hidden = refusing(&["organizations"], "0x80040220", "is missing prvReadOrganization").await;
    let hidden = attachments_of(&hidden);
    assert_eq!(hidden.verdict, Verdict::Unknown);
    assert_eq!(hidden.missing, [READ_ORGANISATION.to_owned()].into());
}

#[tokio::test]
async fn con_3_stages_need_processes_and_their_tables() {
    let hidden = refusing(&["workflows"], "0x80040220", "is missing prvReadWorkflow privilege");
    let hidden = of(&hidden.await, Table::Stages);
    assert_eq!(hidden.verdict, Verdict::Failed);
    assert_eq!(hidden.missing, [READ_PROCESSES.to_owned()].into());
    let stages = refusing(&["processstages"], "0x80040220", "is missing prvReadProcessStage here");
    let stages = of(&stages.await, Table::Stages);
    assert_eq!(stages.missing, ["prvReadProcessStage".to_owned()].into());
    assert!(stages.message.contains("what an opportunity says of its stage is used instead"));
    let tables = refusing(&["opportunitysalesprocesses"], "0x80040220", "is missing prvReadX priv");
    let tables = of(&tables.await, Table::Stages);
    assert_eq!(tables.verdict, Verdict::Failed, "it is the only one");
    assert!(tables.message.contains("for the sales processes opportunitysalesprocess;"));
    let both = json!({ "value": [
        { "workflowid": ID, "uniquename": "opportunitysalesprocess", "primaryentity": "opportunity" },
        { "workflowid": ID, "uniquename": "no identifier", "primaryentity": "lead" },
    ] });
    let some = of(&with("workflows", both).await, Table::Stages);
    assert_eq!(some.verdict, Verdict::Limited);
    assert!(some.message.ends_with("for a security role that allows it."), "{some:?}");
    let none = of(&with("workflows", json!({ "value": [] })).await, Table::Stages);
    assert_eq!(none.verdict, Verdict::Unknown);
    assert!(none.message.starts_with("No active sales process can be seen."));
}

#[tokio::test]
async fn con_7_what_ails_the_whole_connection_is_no_failed_check() {
    let whole = [
        (403, "0x80072560"),
        (403, "0x80040225"),
        (403, "0x80095FFC"),
        (403, "0x8004A104"),
        (401, "0x8004A101"),
    ];
    for (status, code) in whole {
        for name in ["WhoAmI", "organizations", "workflows", "processstages"] {
            let org =
                org(move |asked| (asked == name).then(|| answer(status, &[], refusal(code, "x"))));
            let error = look(&org).await.unwrap_err();
            let expected = match status {
                401 => matches!(error, Error::Unauthenticated { .. }),
                _ => matches!(error, Error::NeedsAdmin { .. }),
            };
            assert!(expected, "{name} {code}: {error:?}");
            assert!(!error.customer_message().is_empty());
        }
    }
}
