use super::*;
use crate::connector::{ChainRequest, CrmConnector};
use crate::dynamics::connector::DynamicsConnector;
use crate::dynamics::fixtures::{Org, ROOT, Read, proof, read_all, refusal};
use crate::http::fixtures::answer;
use crate::http::transport::{Request, Response};
use crate::walk::{ChainPlan, Incomplete, Page, ResumeToken, TablePlan, TimeRange};
use futures_util::TryStreamExt;

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

fn definitions(tables: &[(&str, &str)]) -> String {
    let rows: Vec<_> = tables
        .iter()
        .zip(1..)
        .map(|((table, starts_on), n)| {
            serde_json::json!({"workflowid": id(n), "name": format!("Process {n}"),
                "uniquename": table, "primaryentity": starts_on, "processorder": n})
        })
        .collect();
    serde_json::json!({ "value": rows }).to_string()
}

fn instance(lookup: &str, n: u32, state: i32, reason: i32) -> serde_json::Value {
    serde_json::json!({
        "businessprocessflowinstanceid": id(n), "_activestageid_value": id(900 + n),
        "_processid_value": id(1), lookup: id(500 + n), "statecode": state, "statuscode": reason,
        "activestagestartedon": "2026-01-01T00:00:00Z", "modifiedon": "2026-01-02T00:00:00Z",
        "versionnumber": n
    })
}

fn rows(rows: &[serde_json::Value]) -> Response {
    answer(200, &[], serde_json::json!({ "value": rows }).to_string())
}

/// Two stock tables and one of the customer's own, which `custom` answers for.
fn org(custom: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Org {
    Org::new(move |request, _| {
        let path = request.url.path().rsplit('/').next().unwrap().to_owned();
        Ok(match path.as_str() {
            "workflows" => answer(
                200,
                &[],
                definitions(&[
                    ("opportunitysalesprocess", "opportunity"),
                    ("leadtoopportunitysalesprocess", "lead"),
                    ("New_bpf_1f", "opportunity"),
                    ("phonetocase", "incident"),
                ]),
            ),
            "EntityDefinitions(LogicalName='new_bpf_1f')" => {
                answer(200, &[], r#"{"@odata.context":"x","EntitySetName":"new_bpf_1fs"}"#)
            }
            "opportunitysalesprocesses" => rows(&[
                instance("_opportunityid_value", 1, 0, 1),
                instance("_opportunityid_value", 2, 1, 2),
                instance("_opportunityid_value", 3, 1, 3),
            ]),
            "leadtoopportunitysalesprocesses" => {
                let mut on_lead = instance("_opportunityid_value", 4, 0, 1);
                on_lead["_opportunityid_value"] = serde_json::Value::Null;
                rows(&[on_lead])
            }
            "new_bpf_1fs" => custom(request),
            other => panic!("{other} was asked for"),
        })
    })
}

async fn try_read(org: &Org) -> Read<StageAssignment> {
    let connector = DynamicsConnector::new(&org.parts());
    read_all(&connector, async |chain| connector.stage_assignments(chain).try_collect().await).await
}

async fn read(org: &Org) -> (TablePlan, Vec<(usize, Page<StageAssignment>)>) {
    try_read(org).await.unwrap()
}

fn all(pages: &[(usize, Page<StageAssignment>)]) -> Vec<&StageAssignment> {
    pages.iter().flat_map(|(_, page)| &page.rows).collect()
}

#[tokio::test]
async fn syn_1_every_instance_table_is_a_chain() {
    let org = org(|_| rows(&[instance("_bpf_opportunityid_value", 7, 0, 1)]));
    let (plan, pages) = read(&org).await;
    let places: Vec<_> =
        pages.iter().map(|(chain, page)| (*chain, page.resume.is_none())).collect();
    assert_eq!((plan.chains.len(), places), (3, vec![(0, true), (1, true), (2, true)]));
    // In the order of the tables' names: lead, custom, stock.
    let origins: Vec<_> = all(&pages).into_iter().map(|row| row.origin.as_str()).collect();
    assert_eq!(
        origins,
        [
            "new_bpf_1f",
            "opportunitysalesprocess",
            "opportunitysalesprocess",
            "opportunitysalesprocess"
        ]
    );
    assert_eq!(proof(&plan, &pages), Ok(4));
    assert!(pages.iter().all(|(_, page)| page.notices.is_empty()), "{pages:?}");
    let custom =
        org.transport.lines().into_iter().find(|line| line.contains("new_bpf_1fs")).unwrap();
    assert_eq!(
        custom,
        format!(
            "GET {ROOT}new_bpf_1fs?$select=businessprocessflowinstanceid,_activestageid_value,\
             _processid_value,_bpf_opportunityid_value,statecode,statuscode,activestagestartedon,\
             modifiedon,versionnumber&$filter=_bpf_opportunityid_value%20ne%20null\
             &$orderby=businessprocessflowinstanceid"
        )
    );
    assert_eq!(
        org.transport.lines()[0],
        format!(
            "GET {ROOT}workflows?$select=workflowid,name,uniquename,primaryentity,processorder\
             &$filter=category%20eq%204%20and%20type%20eq%201%20and%20statecode%20eq%201\
             &$orderby=workflowid"
        )
    );
}

#[tokio::test]
async fn syn_1_an_assignment_tells_its_state() {
    let org = org(|_| rows(&[]));
    let (_, pages) = read(&org).await;
    let states: Vec<_> = all(&pages).into_iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [AssignmentState::Active, AssignmentState::Finished, AssignmentState::Aborted]
    );
    let first = all(&pages)[0];
    assert_eq!(first.opportunity.as_str(), id(501));
    assert_eq!(first.stage.as_str(), id(901));
    assert_eq!(first.process.as_ref().map(crate::model::ProcessId::as_str), Some(id(1).as_str()));
}

/// SYN-1: one table that refuses ends its chain and is reported; the others go on.
#[tokio::test]
async fn syn_1_a_refused_instance_table_degrades() {
    for (status, code, message) in [
        (403, "0x80040220", "is missing prvReadnew_bpf_1f privilege"),
        (403, "", ""),
        (404, "0x80060888", "Resource not found for the segment 'new_bpf_1fs'"),
        (400, "0x80041102", "The entity is not in the metadata cache"),
    ] {
        let org = org(move |_| answer(status, &[], refusal(code, message)));
        let (plan, pages) = read(&org).await;
        assert_eq!(pages.len(), 3);
        assert!(pages[2].1.resume.is_none());
        let origin = "new_bpf_1f".to_owned();
        assert_eq!(proof(&plan, &pages), Err(Incomplete::SourceUnreadable { origin }), "{code}");
    }
}

/// CON-7: what concerns the user or the environment as a whole is no matter of one table.
#[tokio::test]
async fn con_7_a_refused_user_does_not_degrade() {
    let org = org(|_| answer(403, &[], refusal("0x80072560", "not a member")));
    let error = try_read(&org).await.unwrap_err();
    assert!(matches!(error, crate::error::Error::NeedsAdmin { .. }), "{error:?}");
}

#[tokio::test]
async fn syn_1_a_process_that_ends_with_the_lead_is_no_gap() {
    let org = Org::new(|request, _| {
        let path = request.url.path().rsplit('/').next().unwrap().to_owned();
        Ok(match path.as_str() {
            "workflows" => answer(200, &[], definitions(&[("new_leads", "lead")])),
            "new_leadses" => answer(
                400,
                &[],
                refusal(
                    "0x80060888",
                    "Could not find a property named '_bpf_opportunityid_value' on type 'x'.",
                ),
            ),
            _ => answer(200, &[], r#"{"EntitySetName":"new_leadses"}"#),
        })
    });
    let (plan, pages) = read(&org).await;
    assert_eq!(proof(&plan, &pages), Ok(0));
}

#[tokio::test]
async fn syn_1_hidden_definitions_are_reported() {
    let org =
        Org::new(|_, _| Ok(answer(403, &[], refusal("0x80040220", "missing prvReadWorkflow"))));
    let (plan, pages) = read(&org).await;
    assert_eq!(pages.len(), 1);
    assert_eq!(
        proof(&plan, &pages),
        Err(Incomplete::SourceUnreadable { origin: "workflow".to_owned() })
    );
}

/// R-15: a name from the service never reaches a path unchecked.
#[tokio::test]
async fn r_15_a_hostile_table_name_is_not_asked_for() {
    for table in ["", "x') or (1 eq 1", "../$batch", "a/b"] {
        let body = definitions(&[(table, "opportunity")]);
        let org = Org::new(move |_, _| Ok(answer(200, &[], body.clone())));
        let (plan, pages) = read(&org).await;
        assert!(proof(&plan, &pages).is_err());
        assert_eq!(org.transport.sent().len(), 1, "{table}");
    }
    let org = Org::new(|request, _| {
        let is_list = request.url.path().ends_with("workflows");
        let hostile = r#"{"EntitySetName":"accounts?$select=name"}"#.to_owned();
        let body = if is_list { definitions(&[("new_x", "opportunity")]) } else { hostile };
        Ok(answer(200, &[], body))
    });
    let (plan, pages) = read(&org).await;
    assert!(proof(&plan, &pages).is_err());
    assert_eq!(org.transport.sent().len(), 2);
}

/// A process may have been switched off and another one on since: the plan names the sources.
#[tokio::test]
async fn syn_8_r_16_several_sources_go_on_by_the_plan_that_was_kept() {
    let org = org(|_| rows(&[instance("_bpf_opportunityid_value", 7, 0, 1)]));
    let (plan, _) = read(&org).await;
    let kept = serde_json::to_string(&plan).unwrap();
    let plan: TablePlan = serde_json::from_str(&kept).unwrap();
    let from = Some(ResumeToken::new(format!("{ROOT}new_bpf_1fs?$skiptoken=2")));
    let asked_before = org.transport.sent().len();
    let connector = DynamicsConnector::new(&org.parts());
    let request = ChainRequest { plan: plan.chains[1].clone(), from };
    let pages: Vec<_> = connector.stage_assignments(&request).try_collect().await.unwrap();
    assert_eq!(pages[0].rows[0].origin, "new_bpf_1f");
    assert_eq!(org.transport.sent().len(), asked_before + 1, "nothing but the page");
}

/// SYN-8: a plan in words that this release does not know is planned anew.
#[tokio::test]
async fn syn_8_words_of_another_release_say_so() {
    let org = org(|_| rows(&[]));
    let connector = DynamicsConnector::new(&org.parts());
    for source in ["", "{}", r#"{"from":"the_future"}"#, r#"{"from":"table"}"#] {
        let plan = ChainPlan { source: source.to_owned(), range: TimeRange::ALL };
        let request = ChainRequest { plan, from: None };
        let read: Result<Vec<_>, _> = connector.stage_assignments(&request).try_collect().await;
        assert!(matches!(read, Err(crate::error::Error::InvalidInput { .. })), "{source}");
    }
    assert!(org.transport.sent().is_empty());
}

#[test]
fn r_21_the_columns_of_instances_are_what_they_are_declared_to_be() {
    for lookup in [STOCK_LOOKUP, CUSTOM_LOOKUP] {
        let process = Process {
            id: id(2).try_into().unwrap(),
            name: None,
            table: "new_bpf_1f".to_owned(),
            starts_on: StartsOn::Opportunity,
            order: None,
        };
        let instances = Instances { process, set: "new_bpf_1fs".to_owned(), lookup };
        crate::dynamics::tables::role_check::check(&instances, &instance(lookup, 1, 1, 2));
    }
}
