//! Who may ask, and what may be asked.

use fluint_crm::testkit::{Closing, Fault, Listing, Place, PrivilegeDepth};
use reqwest::Method;
use time::Duration;

use crate::fakes::{World, send};

#[tokio::test]
async fn a_call_without_a_token_names_the_authority_and_the_resource() {
    let (world, _) = World::small().await;
    let answer = send(world.http.get(world.url(""))).await;
    answer.refused(401, "0x8004A102");
    let challenge = answer.header("www-authenticate");
    let authority = world.server.authority_base();
    assert!(challenge.starts_with(&format!("Bearer authorization_uri={authority}")));
    assert!(challenge.contains(&format!("resource_id={}", world.server.org_base())));
}

#[tokio::test]
async fn a_token_of_another_audience_or_past_its_life_is_refused() {
    let (mut world, _) = World::small().await;
    let other = "https://fabrikam.crm4.dynamics.com".parse().unwrap();
    let good = std::mem::replace(&mut world.token, world.fake.entra().mint_token(&other));
    world.read("WhoAmI").await.refused(401, "0x8004A100");
    world.token = good;
    assert_eq!(world.read("WhoAmI").await.status, 200);
    world.clock.advance(Duration::seconds(4271));
    world.read("WhoAmI").await.refused(401, "0x8004A101");
}

#[tokio::test]
async fn a_challenge_for_claims_ends_old_tokens_only() {
    let (mut world, _) = World::small().await;
    world.fake.dataverse().challenge(r#"{"access_token":{}}"#);
    let answer = world.read("WhoAmI").await;
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .header("www-authenticate")
            .contains(r#"error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#)
    );
    world.token = world.fake.entra().mint_token(&world.server.org_base());
    assert_eq!(world.read("WhoAmI").await.status, 200);
}

#[tokio::test]
async fn odata_headers_are_demanded_and_cookies_refused() {
    let (world, _) = World::small().await;
    let bare = world.http.get(world.url("WhoAmI")).bearer_auth(&world.token);
    send(bare).await.refused(400, "0x80060888");
    let cookie = world.request(Method::GET, &world.url("WhoAmI")).header("cookie", "ARRAffinity=1");
    send(cookie).await.refused(400, "0x80060888");
}

#[tokio::test]
async fn a_stranger_and_a_disabled_user_are_refused() {
    let (world, _) = World::small().await;
    let ada = world.fake.dataverse().ids("systemuser")[0];
    world.fake.dataverse().update("systemuser", ada, "isdisabled", true);
    world.read("WhoAmI").await.refused(403, "0x80040225");
    world.fake.dataverse().delete("systemuser", ada);
    world.read("WhoAmI").await.refused(403, "0x80072560");
}

#[tokio::test]
async fn names_that_do_not_exist_are_refused() {
    let (world, deals) = World::small().await;
    world.read("opportunitys?$select=name").await.refused(404, "0x80060888");
    for query in ["$select=nome", "$filter=nome eq 1", "$orderby=nome", "$select=customerid"] {
        world.read(&format!("opportunities?{query}")).await.refused(400, "0x80041103");
    }
    world.read(&format!("accounts({})", deals[0])).await.refused(404, "0x80040217");
}

#[tokio::test]
async fn query_options_that_dataverse_does_not_take_are_refused() {
    let (world, _) = World::small().await;
    for query in
        ["$skip=1", "$search=x", "$format=json", "$Select=name", "$select=name&$select=name"]
    {
        world.read(&format!("accounts?{query}")).await.refused(400, "0x80060888");
    }
    let both = world.read_preferring("accounts?$top=1", "odata.maxpagesize=5").await;
    both.refused(400, "0x80060888");
    let oversized = world.read_preferring("accounts", "odata.maxpagesize=5001").await;
    oversized.refused(400, "0x80060888");
    let long = format!("accounts?$filter=name eq '{}'", "x".repeat(33_000));
    world.read(&long).await.refused(400, "0x80060888");
}

#[tokio::test]
async fn literals_that_do_not_fit_their_column_are_refused() {
    let (world, deals) = World::small().await;
    let id = deals[0];
    for filter in [
        format!("opportunityid eq '{id}'"),
        format!("opportunityid gt {id}"),
        "createdon gt '2026-01-01T00:00:00Z'".to_owned(),
        "name eq Deal".to_owned(),
        "name eq 'it''s".to_owned(),
        "statecode eq 0 and".to_owned(),
        "statecode eq 0)".to_owned(),
        "statecode is 0".to_owned(),
        "Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)".to_owned(),
    ] {
        world.read(&format!("opportunities?$filter={filter}")).await.refused(400, "0x80060888");
    }
}

#[tokio::test]
async fn filters_choose_the_rows_they_name() {
    let (world, deals) = World::small().await;
    let (a, b) = (deals[0], deals[4]);
    for (filter, count) in [
        ("statecode eq 0".to_owned(), 4),
        ("statecode ne 0 or name eq 'deal 1'".to_owned(), 2),
        ("not (statecode eq 0)".to_owned(), 1),
        (format!("opportunityid eq {a}"), 1),
        ("closeprobability eq null and estimatedvalue ge 1200.50".to_owned(), 5),
        ("createdon lt 2024-01-01T00:00:00Z".to_owned(), 0),
        ("_ownerid_value ne null and contains(name,'deal')".to_owned(), 5),
    ] {
        let answer = world.read(&format!("opportunities?$select=name&$filter={filter}")).await;
        assert_eq!(answer.rows().len(), count, "{filter}");
    }
    let list = format!(
        "opportunities?$select=statecode&$filter=Microsoft.Dynamics.CRM.In(PropertyName=@p1,\
         PropertyValues=@p2)&@p1='opportunityid'&@p2=['{a}','{b}']"
    );
    assert_eq!(world.read(&list).await.rows().len(), 2);
}

#[tokio::test]
async fn privileges_and_hidden_rows_are_refused_by_id_and_left_out_of_lists() {
    let (world, deals) = World::small().await;
    world.fake.dataverse().hide(deals[0]);
    assert_eq!(world.read("opportunities?$select=name").await.rows().len(), 4);
    let hidden = world.read(&format!("opportunities({})?$select=name", deals[0])).await;
    hidden.refused(403, "0x80040220");
    world.fake.dataverse().withhold_privilege("prvReadAccount");
    let refused = world.read("accounts?$select=name").await;
    refused.refused(403, "0x80040220");
    assert!(refused.text.contains("is missing prvReadAccount privilege"));
}

#[tokio::test]
async fn privileges_are_told_by_name_with_their_depths() {
    let (world, _) = World::small().await;
    let dataverse = world.fake.dataverse();
    dataverse.withhold_privilege("prvReadContact");
    dataverse.set_depth("prvReadAccount", PrivilegeDepth::Local);
    let ada = dataverse.ids("systemuser")[0];
    let of_ada = format!("systemusers({ada})/Microsoft.Dynamics.CRM.");
    let names = r#"["prvReadAccount","prvReadContact","prvCreateNote","prvReadNothing"]"#;
    let by_name =
        format!("{of_ada}RetrieveUserSetOfPrivilegesByNames(PrivilegeNames=@p1)?@p1={names}");
    let listed = world.read(&by_name).await.json()["RolePrivileges"].clone();
    let told: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|held| (held["PrivilegeName"].as_str().unwrap(), held["Depth"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("prvReadAccount", "Local"), ("prvCreateNote", "Global")]);
    let all = world.read(&format!("{of_ada}RetrieveUserPrivileges()")).await.json();
    assert!(all["RolePrivileges"].as_array().unwrap().len() > 20);
    dataverse.list_privileges(Listing::Nameless);
    let nameless = world.read(&by_name).await.json()["RolePrivileges"].clone();
    assert_eq!(
        (nameless[0]["Depth"].as_str(), nameless[0].get("PrivilegeName")),
        (Some("Local"), None)
    );
    dataverse.list_privileges(Listing::Refused);
    world.read(&by_name).await.refused(403, "0x80040220");
    assert_eq!(dataverse.requests("RetrieveUserSetOfPrivilegesByNames"), 3);
}

#[tokio::test]
async fn a_depth_shows_the_rows_that_it_reaches() {
    let (world, deals) = World::small().await;
    let dataverse = world.fake.dataverse();
    let (bea, unit) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    dataverse.insert("systemuser", bea, &[("fullname", "Bea".into())]);
    dataverse.update("opportunity", deals[0], "ownerid", bea);
    let list = "opportunities?$select=name&$count=true";
    let shown = async || {
        let page = world.read(list).await;
        let one = world.read(&format!("opportunities({})?$select=name", deals[0])).await;
        assert_eq!(page.json()["@odata.count"], page.rows().len());
        (page.rows().len(), one.status)
    };
    dataverse.set_depth("prvReadOpportunity", PrivilegeDepth::Basic);
    assert_eq!(shown().await, (4, 403));
    for depth in [PrivilegeDepth::Local, PrivilegeDepth::Deep] {
        dataverse.set_depth("prvReadOpportunity", depth);
        dataverse.update("systemuser", bea, "businessunitid", unit);
        assert_eq!(shown().await, (4, 403));
        dataverse.update("systemuser", bea, "businessunitid", fluint_crm::testkit::Cell::Null);
        assert_eq!(shown().await, (5, 200), "in the root unit, as Ada");
    }
    dataverse.set_depth("prvReadOpportunity", PrivilegeDepth::Global);
    dataverse.update("systemuser", bea, "businessunitid", unit);
    assert_eq!(shown().await, (5, 200));
}

#[tokio::test]
async fn functions_and_definitions_answer() {
    let (world, _) = World::small().await;
    let ada = world.fake.dataverse().ids("systemuser")[0].to_string();
    let who = world.read("WhoAmI").await;
    assert_eq!(who.json()["UserId"], ada);
    assert_eq!(who.header("x-ms-dop-hint"), "4");
    let counts = world
        .read("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[\"account\",\"opportunity\"]")
        .await;
    assert_eq!(counts.json()["EntityRecordCountCollection"]["Values"], serde_json::json!([1, 5]));
    let unknown = world.read("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[\"lead\"]").await;
    unknown.refused(400, "0x80040203");
    let set = "EntityDefinitions(LogicalName='opportunitysalesprocess')?$select=EntitySetName";
    assert_eq!(world.read(set).await.json()["EntitySetName"], "opportunitysalesprocesses");
    assert!(world.read("").await.text.contains("\"leadtoopportunitysalesprocesses\""));
}

#[tokio::test]
async fn an_unknown_call_is_named() {
    let (world, _) = World::small().await;
    let answer = send(world.http.get(format!("{}main.aspx", world.server.org_base()))).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (501, "the fake does not know: GET /main.aspx")
    );
    let deletion = world.request(Method::DELETE, &world.url("annotations(0)"));
    assert_eq!(send(deletion).await.status, 501);
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait_and_the_impatient_are_counted() {
    let (world, _) = World::small().await;
    world.fake.dataverse().limit_requests(2, Duration::seconds(60));
    for status in [200, 200, 429, 429] {
        assert_eq!(world.read("WhoAmI").await.status, status);
    }
    let refused = world.read("WhoAmI").await;
    refused.refused(429, "0x80072322");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(world.fake.dataverse().impatient_requests(), 2);
    world.clock.advance(Duration::seconds(61));
    assert_eq!(world.read("WhoAmI").await.status, 200);
}

#[tokio::test]
async fn planted_faults_strike_once_where_they_were_planted() {
    let (world, _) = World::small().await;
    let dataverse = world.fake.dataverse();
    dataverse.plant(Place::request("accounts", 2), Fault::BadGateway);
    dataverse.plant(Place::next_to("contacts"), Fault::ErrorInSuccess);
    dataverse.plant(
        Place::next_to("teams"),
        Fault::Unavailable { retry_after: Some(std::time::Duration::from_secs(9)) },
    );
    assert_eq!(world.read("accounts").await.status, 200);
    let gateway = world.read("accounts").await;
    assert_eq!((gateway.status, gateway.header("content-type")), (502, "text/html"));
    assert_eq!(world.read("accounts").await.status, 200);
    world.read("contacts").await.refused(200, "0x80040216");
    assert_eq!(world.read("teams").await.header("retry-after"), "9");
    dataverse.plant(Place::next(), Fault::Reset);
    let broken = world.request(Method::GET, &world.url("WhoAmI")).send().await;
    assert!(broken.is_err());
    dataverse.plant(Place::next(), Fault::Redirect("https://evil.example/".to_owned()));
    assert_eq!(world.read("WhoAmI").await.header("location"), "https://evil.example/");
    dataverse.plant(Place::next(), Fault::ExpiredToken);
    world.read("WhoAmI").await.refused(401, "0x8004A101");
    world.read("WhoAmI").await.refused(401, "0x8004A101");
}

#[tokio::test]
async fn rows_change_close_and_move_while_the_fake_lives() {
    let (world, deals) = World::small().await;
    let dataverse = world.fake.dataverse();
    let path = format!("opportunities({})?$select=name,statecode,stageid", deals[0]);
    let before = world.read(&path).await;
    assert!(dataverse.update("opportunity", deals[0], "name", "Renamed"));
    assert!(dataverse.close_opportunity(deals[0], Closing::Lost));
    let stage = dataverse.ids("processstage")[0];
    assert!(dataverse.move_stage(deals[0], stage));
    let after = world.read(&path).await;
    assert_eq!(after.json()["name"], "Renamed");
    assert_eq!(after.json()["statecode"], 2);
    assert_eq!(after.json()["stageid"], stage.to_string());
    assert_ne!(before.json()["@odata.etag"], after.json()["@odata.etag"]);
    let instance = format!(
        "opportunitysalesprocesses?$select=_activestageid_value&$filter=_opportunityid_value eq {}",
        deals[0]
    );
    assert_eq!(world.read(&instance).await.rows()[0]["_activestageid_value"], stage.to_string());
    assert!(dataverse.delete("opportunity", deals[0]));
    world.read(&path).await.refused(404, "0x80040217");
}
