//! Signing in over the wire, and everything that goes wrong there.

use fluint_crm::connector::Callback;
use fluint_crm::model::{Health, MemberId};
use fluint_crm::testkit::{FakeEntra, Fault, OrgBuilder, Place, SignIn};
use fluint_crm::{Error, Remedy};
use time::Duration;
use uuid::Uuid;
use wiremock::MockServer;

use crate::dynamics::bench::{Bench, ada, crm, provider, request, small_org, workspace};

async fn bench() -> Bench {
    Bench::new(small_org().builder.build()).await
}

/// Everything that reached Microsoft's side.
fn requests(bench: &Bench) -> (u64, u64) {
    let entra = bench.fake.entra().counts();
    let pages = entra.authorize + entra.admin_consent;
    (pages + entra.codes + entra.refreshes, bench.fake.dataverse().total_requests())
}

#[tokio::test]
async fn con_1_a_wrong_address_is_refused_before_anything_is_sent() {
    let bench = bench().await;
    let wrong = [
        "",
        "contoso",
        "http://contoso.crm4.dynamics.com",
        "contoso.crm4.dynamics.com.evil.com",
        "https://contoso.crm4.dynamics.com:8443",
        "https://me:secret@contoso.crm4.dynamics.com",
        "10.0.0.1",
        "127.0.0.1",
        "https://contoso.crm4.dynamics.com./",
        "contoso.crm4.dynamics.co\u{43c}",
        "a.b.crm4.dynamics.com",
    ];
    for address in wrong {
        let mut asked = request();
        asked.address = address.to_owned();
        let refused = bench.crm.begin_connect(asked).await.unwrap_err();
        assert!(matches!(refused, Error::InvalidInput { .. }), "{address}: {refused:?}");
        assert_eq!(refused.remedy(), Remedy::FixInput, "{address}");
        assert!(!refused.customer_message().contains("secret"), "{address}");
    }
    assert_eq!(requests(&bench), (0, 0));
    assert!(bench.crm.unanswered_sign_ins(&workspace()).await.unwrap().is_empty());
}

#[tokio::test]
async fn con_3_connecting_asks_who_we_are_and_makes_the_first_sync_due() {
    let bench = bench().await;
    let connection = bench.connect().await;
    assert_eq!(connection.health, Health::Connected);
    assert_eq!(connection.address, "https://contoso.crm4.dynamics.com");
    assert!(connection.identity.tenant.is_some() && connection.identity.unit.is_some());
    assert_eq!(bench.fake.dataverse().requests("WhoAmI"), 1);
    assert_eq!(bench.fake.entra().counts().codes, 1);
    let report = bench.run().await;
    assert_eq!(report.syncs.len(), 1, "SYN-3: due at once");
    assert!(bench.crm.unanswered_sign_ins(&workspace()).await.unwrap().is_empty());
}

#[tokio::test]
async fn con_3_a_strangers_callback_sends_no_token_request() {
    let bench = bench().await;
    let callback = bench.sign_in().await.unwrap();
    let eve = MemberId::new("eve").unwrap();
    let refused = bench.crm.finish_connect(&workspace(), &eve, &callback).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixInput);
    let code = callback.value("code").unwrap().to_owned();
    let forged = Callback::new([("state", "0".repeat(64)), ("code", code)]);
    let refused = bench.finish(&forged).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixInput);
    assert_eq!(bench.fake.entra().counts().codes, 0);
    assert_eq!(bench.fake.dataverse().total_requests(), 1, "where its people sign in, no more");
}

#[tokio::test]
async fn con_3_a_late_callback_sends_no_token_request() {
    let bench = bench().await;
    let callback = bench.sign_in().await.unwrap();
    bench.clock.advance(Duration::minutes(10));
    assert_eq!(bench.finish(&callback).await.unwrap_err().remedy(), Remedy::FixInput);
    assert_eq!(bench.fake.entra().counts().codes, 0);
}

#[tokio::test]
async fn con_4_a_user_who_cancels_is_not_connected_and_is_offered_the_admins_link() {
    let bench = bench().await;
    bench.fake.entra().sign_in_as(SignIn::Cancels);
    let started = bench.crm.begin_connect(request()).await.unwrap();
    let link = started.admin_consent.clone().expect("there is a page for administrators");
    let back = bench.fake.browse(&started.url).unwrap();
    let refused = bench.finish(&Callback::from_url(&back)).await.unwrap_err();
    match &refused {
        Error::NeedsAdmin { link: Some(offered), .. } => assert_eq!(**offered, link),
        other => panic!("no administrator's link: {other:?}"),
    }
    assert!(bench.crm.connections(&workspace()).await.unwrap().is_empty());
    assert_eq!(bench.fake.entra().counts().codes, 0, "there was no code to redeem");
    // An administrator follows the link, and then the same user gets in.
    bench.fake.entra().sign_in_as(SignIn::NeedsAdminApproval);
    let approved = bench.fake.browse(&link).expect("the consent page leads back");
    assert!(approved.query_pairs().any(|(name, _)| name == "admin_consent"));
    bench.connect().await;
}

#[tokio::test]
async fn con_4_the_approval_page_never_leads_back_and_the_sign_in_expires_unanswered() {
    let bench = bench().await;
    bench.fake.entra().sign_in_as(SignIn::NeedsAdminApproval);
    let started = bench.crm.begin_connect(request()).await.unwrap();
    assert!(bench.fake.browse(&started.url).is_none(), "the page redirects nowhere");
    bench.clock.advance(Duration::minutes(11));
    let open = bench.crm.unanswered_sign_ins(&workspace()).await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(open[0].expires_at < bench.crm.now());
    assert_eq!(open[0].admin_consent, started.admin_consent);
    assert!(bench.crm.connections(&workspace()).await.unwrap().is_empty());
    let report = bench.run().await;
    assert!(report.syncs.is_empty() && report.next_due.is_none());
}

#[tokio::test]
async fn con_4_a_wrong_client_secret_is_our_configuration_not_the_customers_fault() {
    let bench = bench().await;
    let (authority, org) = (bench.server.authority_base(), bench.server.org_base());
    let wrong =
        crm(&bench.stores, &bench.people, &bench.clock, provider(authority, org, "not-the-secret"));
    let started = wrong.begin_connect(request()).await.unwrap();
    let back = Callback::from_url(&bench.fake.browse(&started.url).unwrap());
    let refused = bench.drive(wrong.finish_connect(&workspace(), &ada(), &back)).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::FixConfiguration);
    assert!(!format!("{refused} {refused:?}").contains("not-the-secret"));
    assert!(bench.crm.connections(&workspace()).await.unwrap().is_empty());
}

#[tokio::test]
async fn con_6_a_rejected_secret_disconnects_no_customer() {
    let bench = bench().await;
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    bench.fake.entra().set_secrets(["another".to_owned()]);
    bench.fake.entra().revoke_access_tokens();
    let error = bench.sync_error(&connection).await;
    assert_eq!(error.remedy(), Remedy::FixConfiguration, "{error:?}");
    assert_eq!(bench.health(&connection).await, Health::Connected);
    bench.fake.entra().set_secrets([FakeEntra::CLIENT_SECRET.to_owned()]);
    bench.synced(&connection).await;
}

#[tokio::test]
async fn con_3_a_code_redeemed_twice_connects_once() {
    let bench = bench().await;
    let first = bench.sign_in().await.unwrap();
    let connection = bench.finish(&first).await.unwrap();
    // The very same answer again: refused here, nothing is sent.
    assert_eq!(bench.finish(&first).await.unwrap_err().remedy(), Remedy::FixInput);
    assert_eq!(bench.fake.entra().counts().codes, 1);
    // The used code under a fresh state: refused by Entra, and the connection stands.
    let second = bench.sign_in().await.unwrap();
    let code = first.value("code").unwrap().to_owned();
    let mixed =
        Callback::new([("state", second.value("state").unwrap().to_owned()), ("code", code)]);
    let refused = bench.finish(&mixed).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Reconnect, "{refused:?}");
    assert_eq!(bench.fake.entra().counts().codes, 2);
    let all = bench.crm.connections(&workspace()).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].id, &all[0].health), (connection.id, &Health::Connected));
}

#[tokio::test]
async fn con_4_a_user_who_is_not_a_member_of_the_org_is_told_so() {
    let bench = bench().await;
    bench.fake.entra().switch_person(Uuid::from_u128(5), "Mallory", "mallory@contoso.com");
    let callback = bench.sign_in().await.unwrap();
    let refused = bench.finish(&callback).await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::AskAdmin, "{refused:?}");
    assert!(refused.customer_message().contains("not a member of this"), "{refused:?}");
    assert!(bench.crm.connections(&workspace()).await.unwrap().is_empty());
}

#[tokio::test]
async fn r_11_a_redirect_from_the_api_is_not_followed() {
    let trap = MockServer::start().await;
    let bench = bench().await;
    let to = format!("{}/api/data/v9.2/WhoAmI", trap.uri());
    bench.fake.dataverse().plant(Place::next_to("WhoAmI"), Fault::Redirect(to.clone()));
    let callback = bench.sign_in().await.unwrap();
    let refused = bench.finish(&callback).await.unwrap_err();
    assert!(!format!("{refused}").contains(&trap.uri()), "{refused}");
    assert!(bench.crm.connections(&workspace()).await.unwrap().is_empty());
    // The same in the middle of a sync.
    let connection = bench.connect().await;
    bench.fake.dataverse().plant(Place::page("contacts", 1), Fault::Redirect(to));
    let error = bench.sync_error(&connection).await;
    assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
    assert!(trap.received_requests().await.unwrap().is_empty(), "0 bytes go there");
    bench.synced(&connection).await;
}

#[tokio::test]
async fn con_7_reconnecting_to_another_org_is_another_connection() {
    let bench = bench().await;
    let first = bench.connect().await;
    bench.synced(&first).await;
    let mut other = OrgBuilder::new(99);
    other.add_user("Ada Lovelace", "ada@contoso.com");
    let elsewhere = fluint_crm::testkit::FakeMicrosoft::new(
        other.build(),
        std::sync::Arc::clone(&bench.clock) as _,
    );
    let server = elsewhere.start().await;
    let host = crm(
        &bench.stores,
        &bench.people,
        &bench.clock,
        provider(server.authority_base(), server.org_base(), FakeEntra::CLIENT_SECRET),
    );
    let started = host.begin_connect(request()).await.unwrap();
    let back = Callback::from_url(&elsewhere.browse(&started.url).unwrap());
    let second = bench.drive(host.finish_connect(&workspace(), &ada(), &back)).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(bench.crm.connections(&workspace()).await.unwrap().len(), 2);
}
