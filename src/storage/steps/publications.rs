//! One request or outcome on its way into the ledger of publications.

use crate::error::{Error, Result};
use crate::model::{Publication, PublicationState, Receipt, Unsettled};
use crate::storage::{PublishRequest, Resend, SetAside};

/// Takes a revision in, by the rules of [`Publications::accept`]: gives the publication as it
/// stands next, which is `held` itself when the revision is not newer.
///
/// [`Publications::accept`]: crate::storage::Publications::accept
#[must_use]
pub fn accept(held: Option<Publication>, request: &PublishRequest) -> Publication {
    let Some(mut held) = held else {
        let PublishRequest { key, connection, opportunity, document, at, .. } = request.clone();
        return Publication::new(key, connection, opportunity, document, at);
    };
    let (new, known) = (&request.document, &held.document);
    let newer = new.revision > known.revision
        || (new.revision == known.revision && new.content_hash() != known.content_hash());
    let again = match request.resend {
        Resend::No => false,
        Resend::IfParked => matches!(held.state, PublicationState::Parked { .. }),
        Resend::Yes => true,
    };
    if !newer && !again {
        return held;
    }
    if !held.is_pending() {
        held.first_pending_at = request.at;
    }
    held.last_pending_at = request.at;
    if newer {
        held.document = new.clone();
    }
    held.connection = request.connection;
    held.opportunity = request.opportunity.clone();
    held.attempts = 0;
    held.next_try_at = None;
    held.resend |= request.resend == Resend::Yes;
    if !held.is_pending() {
        held.state = PublicationState::Published;
    } else if !matches!(held.state, PublicationState::Held { .. }) {
        // A held one goes on by itself once its connection works.
        held.state = PublicationState::Waiting;
    }
    held
}

/// Notes down that a write is about to be sent, by the rules of
/// [`Publications::record_sending`](crate::storage::Publications::record_sending).
///
/// # Errors
/// [`Error::Conflict`] when `epoch` is lower than the stored one.
pub fn record_sending(mut held: Publication, epoch: u32, write: Unsettled) -> Result<Publication> {
    if epoch < held.epoch {
        return Err(Error::conflict(format!("publication {}", held.key.publication())));
    }
    if epoch > held.epoch {
        held.epoch = epoch;
        held.receipt = None;
        held.state = PublicationState::Waiting;
    }
    held.unsettled = Some(write);
    Ok(held)
}

/// Notes down what is proved to stand in the CRM, by the rules of
/// [`Publications::record_receipt`](crate::storage::Publications::record_receipt).
#[must_use]
pub fn record_receipt(
    mut held: Publication,
    receipt: Receipt,
    unsettled: Option<Unsettled>,
) -> Publication {
    // The same proof as before is no answer to somebody who asked since then.
    let known = held.receipt.as_ref() == Some(&receipt);
    held.resend &= known || receipt.stamp != held.stamp();
    held.receipt = Some(receipt);
    held.unsettled = unsettled;
    held.attempts = 0;
    held.next_try_at = None;
    held.last_refusal = None;
    if held.is_pending() {
        held.first_pending_at = held.last_pending_at;
        held.state = PublicationState::Waiting;
    } else {
        held.state = PublicationState::Published;
    }
    held
}

/// Sets the state aside from publishing, by the rules of [`Publications::set_aside`]: gives `held`
/// itself when a revision newer than the one seen has come in.
///
/// [`Publications::set_aside`]: crate::storage::Publications::set_aside
#[must_use]
pub fn set_aside(mut held: Publication, aside: &SetAside) -> Publication {
    if held.document.revision <= aside.seen {
        held.state = aside.state.clone();
        held.next_try_at = aside.next_try_at;
        held.attempts += 1;
        if let PublicationState::Parked { refusal } = &aside.state {
            held.last_refusal = Some(refusal.clone());
        }
    }
    held
}
