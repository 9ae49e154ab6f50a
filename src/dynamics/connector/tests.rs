use super::*;
use crate::dynamics::fixtures::{Org, ROOT, proof, read_all, refusal};
use crate::http::fixtures::answer;
use crate::model::{CurrencyRole, Reach, Rights, Rows};
use crate::walk::{Incomplete, Page};
use futures_util::TryStreamExt;

fn id(n: u32) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

fn connector(org: &Org) -> DynamicsConnector {
    DynamicsConnector::new(&org.parts())
}

#[tokio::test]
async fn con_3_who_am_i_becomes_the_identity() {
    let body = format!(
        r#"{{"@odata.context":"x","BusinessUnitId":"{}","UserId":"{}","OrganizationId":"{}"}}"#,
        id(1),
        id(2),
        id(3).to_uppercase()
    );
    let rights = r#"{"RolePrivileges":[
        {"Depth":"Local","PrivilegeId":"x","BusinessUnitId":"y","PrivilegeName":"prvReadAccount"}]}"#;
    let org = Org::new(move |request, _| {
        let asks_who = request.url.path().ends_with("WhoAmI");
        let body = if asks_who { body.clone() } else { rights.to_owned() };
        Ok(answer(200, &[("x-ms-dop-hint", "6")], body))
    });
    let identity = connector(&org).check().await.unwrap();
    assert_eq!(identity.organisation.as_str(), id(3));
    assert_eq!(identity.user.as_str(), id(2));
    assert_eq!(identity.unit.as_ref().map(RecordId::as_str), Some(id(1).as_str()));
    assert_eq!(identity.tenant.as_deref(), Some("0f000000-0000-0000-0000-000000000003"));
    assert_eq!(identity.rights, Some(Rights::new([(Table::Accounts, Reach::Unit)])));
    let lines = org.transport.lines();
    assert_eq!(lines.len(), 2, "one request for who we are, one for what we may do: {lines:?}");
    assert_eq!(lines[0], format!("GET {ROOT}WhoAmI"));
}

#[tokio::test]
async fn syn_1_stages_are_asked_for_by_process_and_put_in_order() {
    let stage = |n: u32, name: &str, category: i32, process: u32| {
        serde_json::json!({"processstageid": id(n), "stagename": name, "stagecategory": category,
            "_processid_value": id(process)})
    };
    let stages = [
        stage(11, "Close", 3, 1),
        stage(12, "Qualify", 0, 1),
        stage(13, "Agree", 3, 1),
        stage(14, "First", 0, 2),
        stage(15, "A step of a cloud flow", 0, 99),
    ];
    let body = serde_json::json!({ "value": stages }).to_string();
    let org = Org::new(move |request, _| {
        let definitions = serde_json::json!({"value": [
            {"workflowid": id(1), "name": "Sales", "uniquename": "a", "primaryentity": "opportunity", "processorder": 2},
            {"workflowid": id(2), "name": "Leads", "uniquename": "b", "primaryentity": "lead", "processorder": null},
            {"workflowid": id(3), "name": "Case", "uniquename": "c", "primaryentity": "incident", "processorder": 1},
        ]});
        let is_list = request.url.path().ends_with("workflows");
        Ok(answer(200, &[], if is_list { definitions.to_string() } else { body.clone() }))
    });
    let (_, pages) = read_stages(&connector(&org)).await;
    let shown: Vec<_> = pages[0]
        .1
        .rows
        .iter()
        .map(|stage| {
            let process = stage.process.as_ref().unwrap();
            let category = stage.category.as_deref().unwrap();
            (stage.name.as_deref().unwrap(), process.name.as_deref(), stage.position, category)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("Close", Some("Sales"), Some(2), "Close"),
            ("Qualify", Some("Sales"), Some(0), "Qualify"),
            ("Agree", Some("Sales"), Some(1), "Close"),
            ("First", Some("Leads"), Some(0), "Qualify"),
        ]
    );
    assert_eq!(
        org.transport.lines()[1],
        format!(
            "GET {ROOT}processstages?$select=processstageid,stagename,stagecategory,\
             _processid_value&$filter=_processid_value%20eq%20{}%20or%20_processid_value%20eq%20{}\
             &$orderby=processstageid",
            id(1),
            id(2)
        )
    );
}

#[tokio::test]
async fn syn_1_an_org_without_processes_has_no_stages() {
    let org = Org::new(|_, _| Ok(answer(200, &[], r#"{"value":[]}"#)));
    let (plan, pages) = read_stages(&connector(&org)).await;
    assert_eq!(proof(&plan, &pages), Ok(0));
    assert_eq!(org.transport.sent().len(), 1);
}

async fn read_stages(connector: &DynamicsConnector) -> (TablePlan, Vec<(usize, Page<Stage>)>) {
    let fetch = async |chain: &ChainRequest| connector.stages(chain).try_collect().await;
    read_all(connector, fetch).await.unwrap()
}

async fn read_currencies(
    connector: &DynamicsConnector,
) -> (TablePlan, Vec<(usize, Page<Currency>)>) {
    let fetch = async |chain: &ChainRequest| connector.currencies(chain).try_collect().await;
    read_all(connector, fetch).await.unwrap()
}

fn currency_org(base: &'static str, status: u16) -> Org {
    Org::new(move |request, _| {
        let euro = serde_json::json!({"transactioncurrencyid": id(1), "isocurrencycode": "EUR",
            "currencyname": "Euro", "currencysymbol": "€", "currencyprecision": 2});
        let broken = serde_json::json!({"transactioncurrencyid": id(2), "isocurrencycode": "?",
            "currencyname": "x", "currencysymbol": null, "currencyprecision": 99});
        let is_base = request.url.path().ends_with("organizations");
        Ok(if is_base {
            answer(status, &[], base)
        } else {
            answer(200, &[], serde_json::json!({"value": [euro, broken]}).to_string())
        })
    })
}

#[tokio::test]
async fn dea_5_the_base_currency_is_marked() {
    let org = currency_org(
        r#"{"value":[{"_basecurrencyid_value":"00000000-0000-0000-0000-000000000001"}]}"#,
        200,
    );
    let (_, pages) = read_currencies(&connector(&org)).await;
    let euro = &pages[0].1.rows[0];
    assert_eq!((euro.code.as_str(), euro.role), ("EUR", CurrencyRole::Base));
    assert_eq!(euro.precision, Some(2));
    assert_eq!((pages[0].1.rows.len(), pages[0].1.unreadable), (1, 1));
}

#[tokio::test]
async fn dea_5_a_hidden_base_currency_is_reported() {
    let org = currency_org("", 403);
    let (plan, pages) = read_currencies(&connector(&org)).await;
    assert_eq!(pages[0].1.rows[0].role, CurrencyRole::Other);
    let origin = "organization".to_owned();
    assert_eq!(proof(&plan, &pages), Err(Incomplete::SourceUnreadable { origin }));
}

#[tokio::test]
async fn con_7_a_missing_table_asks_for_the_sales_app() {
    let org = Org::new(|_, _| Ok(answer(404, &[], refusal("0x80060888", "no such segment"))));
    let connector = connector(&org);
    let fetch = async |chain: &ChainRequest| connector.opportunities(chain).try_collect().await;
    let error = read_all::<Opportunity>(&connector, fetch).await.unwrap_err();
    assert!(error.customer_message().contains("Sales app"), "{error}");
}

#[test]
fn host_1_the_connector_says_what_it_can_do() {
    let org = Org::new(|_, _| panic!("sent"));
    let connector = connector(&org);
    let can = connector.capabilities();
    assert_eq!(can.note_identity, NoteIdentity::ClientChosen);
    assert_eq!(can.stages, StageModel::Assignments);
    assert_eq!(can.write_drain, Duration::from_secs(300));
    let opportunity = OpportunityId::new(id(1)).unwrap();
    let url = connector.opportunity_url(&opportunity).unwrap();
    assert_eq!(
        url.as_str(),
        format!(
            "https://contoso.crm4.dynamics.com/main.aspx?etn=opportunity&pagetype=entityrecord&id={}",
            id(1)
        )
    );
}

/// R-18: a stage whose process was switched off is still there.
#[tokio::test]
async fn r_18_a_stage_is_found_whatever_became_of_its_process() {
    let org = Org::new(|request, _| {
        let list = request.url.path().ends_with("workflows");
        let stage = serde_json::json!({"processstageid": id(7), "_processid_value": id(9)});
        let body = if list { r#"{"value":[]}"#.to_owned() } else { stage.to_string() };
        Ok(answer(200, &[], body))
    });
    let ids = [RecordId::new(id(7)).unwrap()];
    let found = connector(&org).lookup(Table::Stages, &ids).await.unwrap();
    assert!(matches!(&found[0], Lookup::Present { row, .. } if row.ids() == ids), "{found:?}");
    // R-21: nobody lends the process its name any more, and the stage stands alone.
    let open = open(&found[0]);
    for field in ["name", "position", "process.name", "process.position"] {
        assert!(open.contains(&field), "{open:?}");
    }
}

/// The fields that an answer leaves open.
fn open(lookup: &Lookup) -> Vec<&str> {
    let Lookup::Present { absent, .. } = lookup else { panic!("{lookup:?}") };
    absent.iter().map(|field| &**field).collect()
}

/// R-21: a stage of a process that is known takes its name from there, but has no place by itself.
#[tokio::test]
async fn r_21_a_stage_found_by_its_id_keeps_its_place() {
    let org = Org::new(|request, _| {
        let processes = serde_json::json!({"value": [{"workflowid": id(9), "name": "Sales",
            "uniquename": "opportunitysalesprocess", "primaryentity": "opportunity"}]});
        let stage = serde_json::json!({"processstageid": id(7), "_processid_value": id(9),
            "stagename": "Close", "stagecategory": 3});
        let list = request.url.path().ends_with("workflows");
        Ok(answer(200, &[], if list { processes } else { stage }.to_string()))
    });
    let ids = [RecordId::new(id(7)).unwrap()];
    let found = connector(&org).lookup(Table::Stages, &ids).await.unwrap();
    assert_eq!(open(&found[0]), ["position"]);
    let Lookup::Present { row: Rows::Stages(rows), .. } = &found[0] else { panic!("{found:?}") };
    assert_eq!(rows[0].process.as_ref().unwrap().name.as_deref(), Some("Sales"));
}

/// R-21: whoever may not read the environment's base currency learns no currency's role.
#[tokio::test]
async fn r_21_a_currency_found_by_its_id_keeps_its_role() {
    for (readable, expected) in [(true, vec![]), (false, vec!["role"])] {
        let org = Org::new(move |request, _| {
            let currency = serde_json::json!({"transactioncurrencyid": id(7),
                "isocurrencycode": "EUR", "currencyname": "Euro", "currencysymbol": "E",
                "currencyprecision": 2});
            let base = serde_json::json!({"value": [{"_basecurrencyid_value": id(7)}]});
            let refused = refusal("0x80040220", "missing prvReadOrganization privilege");
            Ok(match request.url.path().ends_with("organizations") {
                true if readable => answer(200, &[], base.to_string()),
                true => answer(403, &[], refused),
                false => answer(200, &[], currency.to_string()),
            })
        });
        let ids = [RecordId::new(id(7)).unwrap()];
        let found = connector(&org).lookup(Table::Currencies, &ids).await.unwrap();
        assert_eq!(open(&found[0]), expected);
    }
}

/// A customer's own process that ends with the lead has no opportunity column: the others are asked
/// all the same, and it has no say about what is gone.
#[tokio::test]
async fn r_18_a_process_without_opportunities_is_passed_over() {
    for (count, gone, expected) in
        [(1, true, Lookup::Gone), (1, false, Lookup::Hidden), (2, true, Lookup::Hidden)]
    {
        let org = Org::new(move |request, _| {
            let definitions = serde_json::json!({"value": [
                {"workflowid": id(1), "uniquename": "new_leadonly", "primaryentity": "lead"},
                {"workflowid": id(2), "uniquename": "opportunitysalesprocess", "primaryentity": "opportunity"},
            ]});
            let set = serde_json::json!({"EntitySetName": "new_leadonlies"});
            let unknown = refusal(
                "0x80060888",
                "Could not find a property named '_bpf_opportunityid_value' on type 'new_leadonly'.",
            );
            Ok(match request.url.path() {
                path if path.ends_with("workflows") => answer(200, &[], definitions.to_string()),
                path if path.contains("EntityDefinitions") => answer(200, &[], set.to_string()),
                path if path.contains("/new_leadonlies") => answer(400, &[], unknown),
                _ if count > 1 => answer(200, &[], r#"{"value":[]}"#),
                _ if gone => answer(404, &[], refusal("0x80040217", "Does Not Exist")),
                _ => answer(403, &[], ""),
            })
        });
        let ids: Vec<_> = (0..count).map(|n| RecordId::new(id(7 + n)).unwrap()).collect();
        let found = connector(&org).lookup(Table::StageAssignments, &ids).await.unwrap();
        assert_eq!(found, vec![expected; ids.len()]);
    }
}

/// R-18: an assignment is gone only when every instance table says so.
#[tokio::test]
async fn r_18_an_assignment_is_looked_for_in_every_instance_table() {
    let gone = || answer(404, &[], refusal("0x80040217", "Does Not Exist"));
    let there = || {
        let row = serde_json::json!({"businessprocessflowinstanceid": id(7),
            "_activestageid_value": id(8), "_opportunityid_value": id(9)});
        answer(200, &[], row.to_string())
    };
    let left = || {
        let row = serde_json::json!({"businessprocessflowinstanceid": id(7),
            "_activestageid_value": id(8), "_opportunityid_value": null});
        answer(200, &[], row.to_string())
    };
    let hidden = || answer(403, &[], "");
    let ids = [RecordId::new(id(7)).unwrap()];
    for (lead, stock, expected) in [
        (gone(), gone(), "gone"),
        (gone(), hidden(), "hidden"),
        (hidden(), gone(), "hidden"),
        (gone(), there(), "present"),
        (there(), gone(), "present"),
        (hidden(), there(), "present"),
        (gone(), left(), "gone"),
    ] {
        let org = Org::new(move |request, _| {
            let definitions = serde_json::json!({"value": [
                {"workflowid": id(1), "uniquename": "opportunitysalesprocess", "primaryentity": "opportunity"},
                {"workflowid": id(2), "uniquename": "leadtoopportunitysalesprocess", "primaryentity": "lead"},
            ]});
            Ok(match request.url.path() {
                path if path.ends_with("workflows") => answer(200, &[], definitions.to_string()),
                path if path.contains("/leadto") => lead.clone(),
                _ => stock.clone(),
            })
        });
        let found = connector(&org).lookup(Table::StageAssignments, &ids).await.unwrap();
        let said = match &found[0] {
            Lookup::Gone => "gone",
            Lookup::Hidden => "hidden",
            Lookup::Present { .. } => "present",
        };
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn r_18_no_ids_cost_no_request() {
    let org = Org::new(|_, _| panic!("sent"));
    for table in Table::ALL {
        assert_eq!(connector(&org).lookup(table, &[]).await.unwrap(), []);
    }
}
