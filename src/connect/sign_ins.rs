//! Sign-ins under way: opened under the hash of their `state`, answered once.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;

use crate::connect::{Connect, ConnectStarted};
use crate::connector::{Authorization, Callback, SignIn};
use crate::error::{Error, Result};
use crate::model::{CrmKind, MemberId, WorkspaceId, hex};
use crate::seal::SealPlace;
use crate::storage::{Handshake, SignInPurpose};

/// How long a sign-in may take (CON-2). Entra's own code lives as long.
const HANDSHAKE_LIFE: Duration = Duration::from_secs(600);

/// A sign-in that nobody has answered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UnansweredSignIn {
    /// The member who started it.
    pub member: MemberId,
    /// Which CRM.
    pub kind: CrmKind,
    /// The address of the org, or of the directory of orgs.
    pub address: String,
    /// When it was started (UTC).
    pub started_at: OffsetDateTime,
    /// When it ended, or will end, unanswered (UTC).
    pub expires_at: OffsetDateTime,
    /// Whether an answer would still count.
    pub state: SignInState,
    /// Where an administrator can approve the app for everybody, when there is such a page.
    pub admin_consent: Option<Url>,
}

/// Whether an answer to a sign-in would still count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a sign-in waits or is over")]
pub enum SignInState {
    /// It has ended.
    Expired,
    /// The person may still be at the CRM's page.
    Waiting,
}

impl UnansweredSignIn {
    /// What to show on the settings page, as a sentence.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        match (self.state, &self.admin_consent) {
            (SignInState::Waiting, _) => "The sign-in has not come back yet.",
            (SignInState::Expired, Some(_)) => {
                "The sign-in never came back. Perhaps an administrator of your company must approve \
                 the app first: send your administrator the approval link, then connect again."
            }
            (SignInState::Expired, None) => "The sign-in never came back. Connect again.",
        }
    }
}

/// Who starts which sign-in, and for how it is answered.
pub(super) struct Opening {
    pub(super) workspace: WorkspaceId,
    pub(super) member: MemberId,
    pub(super) kind: CrmKind,
    pub(super) purpose: SignInPurpose,
}

impl Connect {
    /// The secrets of a new sign-in. `prefix` goes in front of its state.
    pub(super) fn fresh_sign_in(&self, address: String, prefix: &str) -> Result<SignIn> {
        let state = self.secret()?;
        Ok(SignIn {
            address,
            state: SecretString::from(format!("{prefix}{}", state.expose_secret())),
            verifier: self.secret()?,
            login_hint: None,
            claims: None,
            tenant: None,
        })
    }

    /// Remembers a sign-in before the browser is sent off.
    pub(super) async fn open(
        &self,
        opening: Opening,
        sign_in: SignIn,
        authorization: Authorization,
    ) -> Result<ConnectStarted> {
        let started_at = self.now();
        let state_hash = hash(sign_in.state.expose_secret());
        let verifier = self.connectors.sealer().seal(
            verifier_place(&opening.workspace, &hex(&state_hash)),
            sign_in.verifier.expose_secret().as_bytes(),
        )?;
        let handshake = Handshake {
            state_hash,
            workspace: opening.workspace,
            member: opening.member,
            kind: opening.kind,
            purpose: opening.purpose,
            address: sign_in.address,
            tenant: authorization.tenant,
            verifier,
            admin_consent: authorization.admin_consent.as_ref().map(ToString::to_string),
            started_at,
            expires_at: started_at + HANDSHAKE_LIFE,
        };
        self.stores.connections.open_handshake(&handshake).await?;
        Ok(ConnectStarted {
            url: authorization.url,
            admin_consent: authorization.admin_consent,
            expires_at: handshake.expires_at,
        })
    }

    /// Takes the sign-in that a callback answers, once, and checks that it may be answered.
    pub(super) async fn answered(
        &self,
        workspace: &WorkspaceId,
        member: &MemberId,
        purpose: SignInPurpose,
        callback: &Callback,
    ) -> Result<(CrmKind, SignIn)> {
        let refuse = |reason: &'static str| Err(Error::invalid_input("sign-in answer", reason));
        let Some(state) = callback.value("state").filter(|state| !state.is_empty()) else {
            return refuse("It carries no state. Please start connecting again.");
        };
        let taken = self.stores.connections.take_handshake(&hash(state)).await?;
        let Some(handshake) = taken else {
            return refuse("It was used already, or never asked for. Please start again.");
        };
        if handshake.workspace != *workspace || handshake.member != *member {
            return refuse("It was started by somebody else. Please start connecting again.");
        }
        if handshake.expires_at <= self.now() {
            return refuse("It took longer than ten minutes. Please start connecting again.");
        }
        if handshake.purpose != purpose {
            return refuse("It answers another question. Please start connecting again.");
        }
        let owner = hex(&handshake.state_hash);
        let place = verifier_place(workspace, &owner);
        let opened = self.connectors.sealer().open(place, &handshake.verifier)?;
        let verifier = std::str::from_utf8(opened.expose_secret())
            .map_err(|cause| Error::store("read a sealed sign-in", cause))?;
        let sign_in = SignIn {
            address: handshake.address,
            state: SecretString::from(state),
            verifier: SecretString::from(verifier),
            login_hint: None,
            claims: None,
            tenant: handshake.tenant,
        };
        Ok((handshake.kind, sign_in))
    }

    /// The sign-ins of a workspace that nobody has answered, the newest first.
    pub(crate) async fn unanswered(
        &self,
        workspace: &WorkspaceId,
    ) -> Result<Vec<UnansweredSignIn>> {
        let now = self.now();
        let open = self.stores.connections.handshakes(workspace).await?;
        let told = open.into_iter().map(|handshake| UnansweredSignIn {
            member: handshake.member,
            kind: handshake.kind,
            address: handshake.address,
            started_at: handshake.started_at,
            expires_at: handshake.expires_at,
            state: if handshake.expires_at <= now {
                SignInState::Expired
            } else {
                SignInState::Waiting
            },
            admin_consent: handshake.admin_consent.and_then(|link| Url::parse(&link).ok()),
        });
        Ok(told.collect())
    }

    /// A fresh secret of 256 bits, as 64 hexadecimal digits: fit for a state and a PKCE verifier.
    fn secret(&self) -> Result<SecretString> {
        let mut bytes = [0; 32];
        self.connectors.context().randomness.fill_secret(&mut bytes)?;
        Ok(SecretString::from(hex(&bytes)))
    }
}

fn verifier_place<'a>(workspace: &'a WorkspaceId, owner: &'a str) -> SealPlace<'a> {
    SealPlace { workspace: workspace.as_str(), owner, field: "verifier" }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
