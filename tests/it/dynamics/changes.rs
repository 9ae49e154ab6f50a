//! What a brief tells of changes, from the CRM's own edits over loopback and an SQLite file.

use fluint_crm::model::query::Scope;
use fluint_crm::testkit::{Cell, Closing, OrgBuilder};
use serde_json::{Value, json};
use time::macros::date;
use uuid::Uuid;

use crate::dynamics::bench::{Bench, workspace};

async fn brief(bench: &Bench) -> Value {
    let scope = Scope::workspace(workspace());
    let arguments = json!({ "account_name": "Contoso" });
    bench.crm.tools().call(&scope, "account_brief", arguments).await.unwrap()
}

fn told(brief: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let field = |field: &Value| {
        format!("{} {} to {}", text(&field["field"]), text(&field["from"]), text(&field["to"]))
    };
    let row = |row: &Value| {
        let fields = row["fields"].as_array().into_iter().flatten().map(field);
        let fields: Vec<String> = fields.collect();
        let what = format!("{} {} {}", text(&row["table"]), text(&row["name"]), text(&row["what"]));
        format!("{what} {}", fields.join(", ")).trim_end().to_owned()
    };
    let mut told: Vec<String> = brief["changes"].as_array().unwrap().iter().map(row).collect();
    told.sort();
    told
}

#[tokio::test]
async fn acc_1_a_brief_tells_what_the_last_syncs_found_changed() {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada", "ada@contoso.com").id();
    let bob = org.add_user("Bob", "bob@contoso.com").id();
    let (contoso, fabrikam) = (org.add_account("Contoso").id(), org.add_account("Fabrikam").id());
    org.add_contact("Eve Adams", contoso);
    let sales = org.sales_process();
    let mut deal = |name: &str, account: Uuid| {
        let deal = org.add_opportunity(name, account).owned_by(ada).worth("100");
        deal.closing_on(date!(2026 - 03 - 31)).in_stage(&sales, 0).id()
    };
    let (looms, yarn, dye) = (deal("Looms", contoso), deal("Yarn", contoso), deal("Dye", contoso));
    let elsewhere = deal("Elsewhere", fabrikam);
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::on_file(org.build(), &folder.path().join("crm.sqlite")).await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    assert_eq!(told(&brief(&bench).await), [""; 0]);

    // A busy day.
    let crm = bench.fake.dataverse();
    let stages: Vec<Uuid> = crm.ids("processstage");
    let propose = stages.into_iter().find(|id| {
        crm.cell("processstage", *id, "stagename") == Some(Cell::from("Propose"))
            && crm.cell("processstage", *id, "processid")
                == crm.cell(
                    "opportunitysalesprocess",
                    crm.ids("opportunitysalesprocess")[0],
                    "processid",
                )
    });
    assert!(crm.move_stage(looms, propose.unwrap()));
    assert!(crm.update("opportunity", looms, "estimatedvalue", Cell::money("250.50")));
    assert!(crm.update(
        "opportunity",
        looms,
        "ownerid",
        Cell::Lookup { table: "systemuser".into(), id: bob }
    ));
    assert!(crm.close_opportunity(yarn, Closing::Won));
    assert!(crm.delete("opportunity", dye));
    assert!(crm.update("opportunity", elsewhere, "name", "Nobody asked"));
    assert!(crm.update("account", contoso, "telephone1", "+49 30 1"));
    bench.synced(&connection).await;

    let answer = brief(&bench).await;
    assert_eq!(
        told(&answer),
        [
            "accounts Contoso changed phone null to +49 30 1",
            "opportunities Dye gone",
            "opportunities Looms changed stage Qualify to Propose, value 100 to 250.5, owner Ada to Bob",
            "opportunities Yarn changed status open to won",
        ]
    );
    assert_eq!(answer["more_changes"], false);
    let sentence = answer["answer"].as_str().unwrap();
    // Which of them are told first depends on which table was read last.
    for part in [
        "1 contact, 1 open opportunity, worth 250.50 ",
        " EUR. Changed lately: ",
        "; and 1 further change. As of ",
    ] {
        assert!(sentence.contains(part), "{part:?} should be in {sentence}");
    }

    // A quiet day later all of that is still told, and a sync that is replayed tells nothing twice.
    let before = told(&answer);
    bench.synced(&connection).await;
    assert_eq!(told(&brief(&bench).await), before);
}
