//! The app's credentials change while work is under way (CON-6).

use std::sync::{Arc, Mutex, OnceLock};

use fluint_crm::dynamics::{ClientCredential, Credentials, DynamicsProvider};
use fluint_crm::host::{Observer, OperatorEvent, SealingKey, StaticKeys, SyncProgress};
use fluint_crm::model::{Health, PublicationState};
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft};
use fluint_crm::{Crm, Randomness};
use time::Duration;

use crate::dynamics::bench::{Bench, small_org};

const NEW_SECRET: &str = "fake-secret-that-is-new";

/// A key in PEM and its self-signed certificate, made once.
fn key_pair() -> &'static (String, String) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let (algorithm, size) = (&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let key = rcgen::KeyPair::generate_rsa_for(algorithm, size).unwrap();
        let wanted = rcgen::CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
        let certificate = wanted.self_signed(&key).unwrap();
        (key.serialize_pem(), certificate.pem())
    })
}

fn old() -> ClientCredential {
    ClientCredential::secret("old", FakeEntra::CLIENT_SECRET.to_owned()).unwrap()
}

fn new_secret() -> ClientCredential {
    ClientCredential::secret("new", NEW_SECRET.to_owned()).unwrap()
}

fn certificate() -> ClientCredential {
    let (key, certificate) = key_pair();
    ClientCredential::certificate("certificate", key.clone(), certificate).unwrap()
}

type Change = Box<dyn Fn(&FakeEntra) + Send + Sync>;

/// Changes something at Entra with the first page that a sync stores, and hears what operators do.
struct Rotates {
    fake: FakeMicrosoft,
    change: Mutex<Option<Change>>,
    heard: Mutex<Vec<OperatorEvent>>,
}

impl std::fmt::Debug for Rotates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rotates")
    }
}

impl Observer for Rotates {
    fn progress(&self, _progress: &SyncProgress) {
        if let Some(change) = self.change.lock().unwrap().take() {
            change(self.fake.entra());
            // Whoever is under way has to fetch a token with what counts now.
            self.fake.entra().revoke_access_tokens();
        }
    }

    fn operator_event(&self, event: &OperatorEvent) {
        self.heard.lock().unwrap().push(event.clone());
    }
}

/// Syncs and publishes at once while Entra changes; gives what the operator heard.
async fn rotate(credentials: Credentials, change: Change) -> Vec<OperatorEvent> {
    let org = small_org();
    let mut bench = Bench::new(org.builder.build()).await;
    bench.fake.dataverse().limit_pages(1);
    let provider = DynamicsProvider::builder()
        .client_id(FakeEntra::CLIENT_ID)
        .credentials(credentials)
        .redirect_uri(FakeEntra::REDIRECT_URI)
        .authority_base(bench.server.authority_base())
        .org_base(bench.server.org_base())
        .build()
        .unwrap();
    let rotates = Arc::new(Rotates {
        fake: bench.fake.clone(),
        change: Mutex::default(),
        heard: Mutex::default(),
    });
    let keys = StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]);
    bench.crm = Crm::builder(bench.stores.clone(), Arc::clone(&bench.people) as _, Arc::new(keys))
        .provider(provider)
        .clock(Arc::clone(&bench.clock) as _)
        .observer(Arc::clone(&rotates) as _)
        .randomness(Randomness::seeded(11))
        .build()
        .unwrap();
    let connection = bench.connect().await;
    bench.synced(&connection).await;
    let mut publications = Vec::new();
    for (number, opportunity) in org.deals.iter().enumerate() {
        let deal = bench.deal(&connection, *opportunity).await;
        publications.push(bench.publish(&deal, &format!("plan-{number}"), 1).await);
    }
    *rotates.change.lock().unwrap() = Some(change);
    bench.clock.advance(Duration::seconds(61));
    bench.synced(&connection).await;
    for publication in publications {
        assert_eq!(bench.publication(publication).await.state, PublicationState::Published);
    }
    assert!(rotates.change.lock().unwrap().is_none(), "it happened in the middle");
    assert!(bench.fake.entra().counts().refreshes > 0, "and mattered");
    assert_eq!(bench.health(&connection).await, Health::Connected);
    let heard = rotates.heard.lock().unwrap();
    heard.clone()
}

fn old_rejected() -> Vec<OperatorEvent> {
    vec![OperatorEvent::CredentialRejected { credential: "old".to_owned() }]
}

#[tokio::test]
async fn con_6_a_secret_rotates_under_a_sync_and_publications_and_the_operator_hears_it_once() {
    let set = Credentials::new(vec![old(), new_secret()]).unwrap();
    let change = |entra: &FakeEntra| entra.set_secrets([NEW_SECRET.to_owned()]);
    assert_eq!(rotate(set, Box::new(change)).await, old_rejected());
}

#[tokio::test]
async fn con_6_a_certificate_takes_over_from_a_secret_under_way() {
    let set = Credentials::new(vec![old(), certificate()]).unwrap();
    let change = |entra: &FakeEntra| {
        entra.set_certificates([key_pair().1.as_str()]);
        entra.set_secrets([]);
    };
    assert_eq!(rotate(set, Box::new(change)).await, old_rejected());
}

#[tokio::test]
async fn con_6_credentials_replaced_under_way_are_used_at_once() {
    let set = Credentials::new(vec![old()]).unwrap();
    let held = set.clone();
    let change = move |entra: &FakeEntra| {
        held.replace(vec![new_secret()]).unwrap();
        entra.set_secrets([NEW_SECRET.to_owned()]);
    };
    assert_eq!(rotate(set, Box::new(change)).await, [], "nothing was ever rejected");
}

/// The fake is strict about assertions, or the tests above would prove little.
#[tokio::test]
async fn con_6_a_certificate_that_is_not_registered_signs_nobody_in() {
    let bench = Bench::new(small_org().builder.build()).await;
    let provider = DynamicsProvider::builder()
        .client_id(FakeEntra::CLIENT_ID)
        .credentials(Credentials::new(vec![certificate()]).unwrap())
        .redirect_uri(FakeEntra::REDIRECT_URI)
        .authority_base(bench.server.authority_base())
        .org_base(bench.server.org_base())
        .build()
        .unwrap();
    let crm = crate::dynamics::bench::crm(&bench.stores, &bench.people, &bench.clock, provider);
    let bench = Bench { crm, ..bench };
    let callback = bench.sign_in().await.unwrap();
    let refused = bench.finish(&callback).await.unwrap_err();
    assert_eq!(refused.remedy(), fluint_crm::Remedy::FixConfiguration, "{refused:?}");
    bench.fake.entra().set_certificates([key_pair().1.as_str()]);
    bench.connect().await;
}
