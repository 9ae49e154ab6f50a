//! Pages, links and the form of rows.

use fluint_crm::testkit::{Cell, Fault, OrgBuilder, Place};
use reqwest::Method;

use crate::fakes::{Answer, World, send};

#[path = "../../../examples/data/mod.rs"]
pub(crate) mod data;

async fn follow(world: &World, link: &str, size: usize) -> Answer {
    let request = world.request(Method::GET, link);
    send(request.header("prefer", format!("odata.maxpagesize={size}"))).await
}

fn link(answer: &Answer) -> Option<String> {
    Some(answer.json()["@odata.nextLink"].as_str()?.to_owned())
}

#[tokio::test]
async fn links_lead_through_all_rows_once_in_the_order_that_was_asked() {
    let (world, deals) = World::small().await;
    for query in ["", "&$orderby=createdon desc", "&$orderby=name", "&$orderby=closeprobability"] {
        let path = format!("opportunities?$select=name{query}");
        let mut page = world.read_preferring(&path, "odata.maxpagesize=2").await;
        let (mut names, mut sizes) = (Vec::new(), Vec::new());
        loop {
            sizes.push(page.rows().len());
            names.extend(page.rows().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            let Some(next) = link(&page) else { break };
            page = follow(&world, &next, 2).await;
        }
        assert_eq!(sizes, [2, 2, 1], "{query}");
        if query.contains("desc") {
            assert_eq!(names, ["Deal 4", "Deal 3", "Deal 2", "Deal 1", "Deal 0"]);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), deals.len());
    }
}

#[tokio::test]
async fn a_link_that_was_touched_is_refused() {
    let (world, _) = World::small().await;
    let page = world.read_preferring("opportunities?$select=name", "odata.maxpagesize=2").await;
    let link = link(&page).unwrap();
    assert!(
        link.contains("$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie")
    );
    for (from, to) in [
        ("$select=name", "$select=statecode"),
        ("$select=name", "%24select=name"),
        ("%253ccookie", "%253Ccookie"),
        ("istracking=%22False", "istracking=%22True"),
        ("pagenumber=%222%22", "pagenumber=%223%22"),
    ] {
        let touched = link.replacen(from, to, 1);
        assert_ne!(touched, link, "{from}");
        follow(&world, &touched, 2).await.refused(400, "0x80041129");
    }
    let no_number = link.replacen("pagenumber=%222%22", "pagenumber=%22x%22", 1);
    follow(&world, &no_number, 2).await.refused(400, "0x8004112A");
    follow(&world, &link, 3).await.refused(400, "0x80041129");
    assert_eq!(follow(&world, &link, 2).await.status, 200);
}

#[tokio::test]
async fn rows_are_written_as_dataverse_writes_them() {
    let (world, deals) = World::small().await;
    let path = format!(
        "opportunities({})?$select=estimatedvalue,_customerid_value,closeprobability",
        deals[0]
    );
    let plain = world.read(&path).await;
    assert!(plain.text.contains("\"estimatedvalue\":1200.5000,"), "{}", plain.text);
    assert!(plain.text.contains("\"closeprobability\":null"));
    assert!(plain.text.contains("\"_transactioncurrencyid_value\":"));
    assert!(plain.text.contains(&format!("\"opportunityid\":\"{}\"", deals[0])));
    assert!(!plain.text.contains("lookuplogicalname"));
    assert_eq!(plain.header("etag"), plain.json()["@odata.etag"].as_str().unwrap());
    let asked = "odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"";
    let annotated = world.read_preferring(&path, asked).await.json();
    assert_eq!(annotated["_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"], "account");
    assert!(annotated.get("_customerid_value@OData.Community.Display.V1.FormattedValue").is_none());
    let all = world.read_preferring(&path, "odata.include-annotations=\"*\"").await.json();
    assert_eq!(all["_customerid_value@OData.Community.Display.V1.FormattedValue"], "Fabrikam");
    let nav = "_customerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty";
    assert_eq!(all[nav], "customerid_account");
}

#[tokio::test]
async fn the_owner_is_told_by_its_kind_too() {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
    let team = org.add_team("Renewals").id();
    let account = org.add_account("Fabrikam").owned_by_team(team).id();
    let deal = org.add_opportunity("Looms", account).owned_by(ada).id();
    let world = World::new(org.build()).await;
    let columns = "$select=_ownerid_value,_owninguser_value,_owningteam_value";
    let deal = world.read(&format!("opportunities({deal})?{columns}")).await.json();
    assert_eq!(deal["_ownerid_value"], deal["_owninguser_value"]);
    assert!(deal["_owningteam_value"].is_null());
    let account = world.read(&format!("accounts({account})?{columns}")).await.json();
    assert_eq!(account["_owningteam_value"], team.to_string());
    assert!(account["_owninguser_value"].is_null());
}

#[tokio::test]
async fn an_unchanged_row_is_not_sent_again() {
    let (world, deals) = World::small().await;
    let path = format!("opportunities({})?$select=name", deals[0]);
    let etag = world.read(&path).await.header("etag").to_owned();
    let request = world.request(Method::GET, &world.url(&path)).header("if-none-match", etag);
    assert_eq!(send(request).await.status, 304);
}

#[tokio::test]
async fn an_empty_page_still_leads_on_and_a_cut_body_does_not_parse() {
    let (world, _) = World::small().await;
    let dataverse = world.fake.dataverse();
    dataverse.plant(Place::page("opportunities", 2), Fault::EmptyPage);
    dataverse.plant(Place::next_to("accounts"), Fault::TruncatedBody);
    let first = world.read_preferring("opportunities?$select=name", "odata.maxpagesize=2").await;
    let empty = follow(&world, &link(&first).unwrap(), 2).await;
    assert_eq!(empty.rows().len(), 0);
    let third = follow(&world, &link(&empty).unwrap(), 2).await;
    assert_eq!(third.rows().len(), 2);
    let cut = world.read("accounts").await;
    assert_eq!(cut.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&cut.text).is_err());
}

#[tokio::test]
async fn a_million_rows_are_paged_without_a_scan_and_changed_like_others() {
    let world = World::new(OrgBuilder::synthetic(7, 1_000_000).build()).await;
    let counts = "RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[\"opportunity\",\"account\"]";
    let counts = world.read(counts).await.json();
    let values = &counts["EntityRecordCountCollection"]["Values"];
    assert_eq!(*values, serde_json::json!([1_000_000, 200_000]));
    let range = "opportunities?$select=createdon,statecode&$orderby=createdon,opportunityid\
        &$filter=statecode eq 0 and createdon ge 2024-02-01T00:00:00Z and createdon lt 2024-02-02T00:00:00Z";
    let mut page = world.read_preferring(range, "odata.maxpagesize=5000").await;
    let mut seen = Vec::new();
    loop {
        seen.extend(
            page.rows().iter().map(|row| row["opportunityid"].as_str().unwrap().to_owned()),
        );
        let Some(next) = link(&page) else { break };
        page = follow(&world, &next, 5000).await;
    }
    // Three rows every twenty seconds, four in five of them open.
    let expected = 86_400 / 20 * 3;
    assert!((expected * 78 / 100..expected * 82 / 100).contains(&seen.len()), "{}", seen.len());
    let id = seen[0].parse().unwrap();
    let dataverse = world.fake.dataverse();
    assert!(dataverse.update("opportunity", id, "name", "Changed"));
    assert_eq!(dataverse.cell("opportunity", id, "name"), Some(Cell::from("Changed")));
    let last = seen[1].parse().unwrap();
    assert!(dataverse.delete("opportunity", last));
    let gone = world.read(&format!("opportunities({last})?$select=name")).await;
    gone.refused(404, "0x80040217");
}

#[tokio::test]
async fn contoso_is_believable() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/contoso");
    assert!(OrgBuilder::from_dir(folder).is_ok());
    let world = World::new(data::contoso().unwrap().build()).await;
    for (set, at_least) in [
        ("systemusers?$select=fullname&$filter=isdisabled eq false and applicationid eq null", 35),
        ("systemusers?$select=fullname&$filter=contains(internalemailaddress,'onmicrosoft')", 4),
        ("systemusers?$select=fullname&$filter=applicationid ne null", 1),
        ("teams?$select=name", 1),
        ("accounts?$select=name", 1200),
        ("accounts?$select=name&$filter=name eq 'Acme Corporation'", 10),
        ("contacts?$select=fullname", 4000),
        ("opportunities?$select=name&$filter=statecode eq 0", 500),
        ("opportunities?$select=name&$filter=statecode eq 1", 100),
        ("opportunities?$select=name&$filter=stageid eq null", 40),
        ("new_bpf_5d1f0c7e9b3a4f62a8d04c6e2b915a77s?$select=_bpf_opportunityid_value", 200),
        ("workflows?$select=name&$filter=category eq 4 and type eq 1 and statecode eq 1", 3),
        ("transactioncurrencies?$select=isocurrencycode", 5),
    ] {
        let count = world.read(set).await.rows().len();
        assert!(count >= at_least, "{set}: {count}");
    }
    let biggest = world
        .read("opportunities?$select=estimatedvalue&$filter=estimatedvalue gt 900000000000")
        .await;
    assert!(biggest.text.contains("987654321098.7654"));
}
