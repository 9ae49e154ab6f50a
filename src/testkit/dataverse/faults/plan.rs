//! Many faults at once: at places that a test names, and by chance.

use crate::testkit::dataverse::faults::{Fault, Passing, Place};

/// Which faults strike which requests: some at places that a test names, others by chance.
///
/// Chance is a function of the seed, of what a request asks for and of how many like it came
/// before, so the same seed strikes the same requests, in whatever order several tables are read.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> fluint_crm::Result<()> {
/// use std::sync::Arc;
/// use fluint_crm::connector::Callback;
/// use fluint_crm::dynamics::DYNAMICS;
/// use fluint_crm::host::{SealingKey, StaticKeys};
/// use fluint_crm::model::{Member, MemberId, WorkspaceId};
/// use fluint_crm::testkit::{FakeMicrosoft, Fault, FaultPlan, OrgBuilder, Place};
/// use fluint_crm::{Budget, ConnectRequest, Crm, SystemClock, storage::Stores};
/// use fluint_crm::store::MemoryStore;
///
/// # let clock = Arc::new(SystemClock::new());
/// # let mut org = OrgBuilder::new(7);
/// # org.add_user("Ada Lovelace", "ada@contoso.com");
/// # let fake = FakeMicrosoft::new(org.build(), clock.clone());
/// # let stores = Stores::all(Arc::new(MemoryStore::new(clock)));
/// # let keys = StaticKeys::new(SealingKey::new("k1", [7; 32])?, vec![]);
/// # let crm = Crm::builder(stores, Arc::new(Vec::<Member>::new()), Arc::new(keys))
/// #     .provider(fake.provider()?)
/// #     .build()?;
/// # let (workspace, ada) = (WorkspaceId::new("acme")?, MemberId::new("ada")?);
/// # let request = ConnectRequest::new(
/// #     workspace.clone(), ada.clone(), DYNAMICS, FakeMicrosoft::ORG_ADDRESS);
/// # let started = crm.begin_connect(request).await?;
/// # let callback = Callback::from_url(&fake.browse(&started.url).unwrap());
/// # crm.finish_connect(&workspace, &ada, &callback).await?;
/// // One request in five finds its token rejected, and one page is empty but leads on.
/// let plan = FaultPlan::seeded(7)
///     .share(0.2)
///     .among([Fault::ExpiredToken])
///     .at(Place::page("accounts", 1), Fault::EmptyPage);
/// fake.dataverse().plan_faults(plan);
///
/// let report = crm.run_due(&Budget::default()).await?;
/// assert!(report.syncs[0].outcome.is_ok());
/// assert!(fake.dataverse().faults_struck() > 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    planted: Vec<(Place, Fault, u32)>,
    seed: u64,
    share: f64,
    /// What chance draws from.
    kinds: Vec<Fault>,
}

impl FaultPlan {
    /// A plan without any fault yet; the seed decides which requests chance strikes.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { planted: Vec::new(), seed, share: 0.0, kinds: Fault::transient() }
    }

    /// Lets this share of all requests fail by chance, from 0 to 1.
    ///
    /// What strikes is drawn from [`Fault::transient`], unless [`among`](FaultPlan::among) says
    /// otherwise.
    #[must_use]
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Sets the faults that chance draws from.
    #[must_use]
    pub fn among(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.kinds = faults.into_iter().collect();
        self
    }

    /// Plants a fault that strikes once, whatever chance says.
    #[must_use]
    pub fn at(self, place: Place, fault: Fault) -> Self {
        self.at_times(place, fault, 1)
    }

    /// Plants a fault that strikes so many times.
    #[must_use]
    pub fn at_times(mut self, place: Place, fault: Fault, times: u32) -> Self {
        self.plant(place, fault, times);
        self
    }

    pub(super) fn plant(&mut self, place: Place, fault: Fault, times: u32) {
        if times > 0 {
            self.planted.push((place, fault, times));
        }
    }

    /// Takes the fault that strikes the `number`-th request of a set.
    pub(super) fn take(&mut self, passing: Passing<'_>, number: u64) -> Option<Fault> {
        let Some(at) = self.planted_at(passing, number) else {
            return self.by_chance(passing, number);
        };
        let (_, fault, times) = &mut self.planted[at];
        *times -= 1;
        let (fault, spent) = (fault.clone(), *times == 0);
        if spent {
            self.planted.remove(at);
        }
        Some(fault)
    }

    /// The fault that would strike the `number`-th request of a set.
    pub(super) fn find(&self, passing: Passing<'_>, number: u64) -> Option<Fault> {
        match self.planted_at(passing, number) {
            Some(at) => Some(self.planted[at].1.clone()),
            None => self.by_chance(passing, number),
        }
    }

    fn planted_at(&self, passing: Passing<'_>, number: u64) -> Option<usize> {
        self.planted.iter().position(|(place, ..)| place.is_at(passing, number))
    }

    fn by_chance(&self, passing: Passing<'_>, number: u64) -> Option<Fault> {
        let set = passing.set.unwrap_or_default();
        let of_set = set.bytes().fold(mix(self.seed), |drawn, byte| mix(drawn ^ u64::from(byte)));
        let drawn = mix(of_set ^ number);
        // 53 bits are what a fraction holds exactly.
        let fraction = (drawn >> 11) as f64 / (1_u64 << 53) as f64;
        if fraction >= self.share {
            return None;
        }
        let kinds = u64::try_from(self.kinds.len()).ok()?;
        let at = mix(drawn).checked_rem(kinds)?;
        self.kinds.get(usize::try_from(at).ok()?).cloned()
    }
}

/// Scatters the bits of a number over all of it (the finaliser of SplitMix64). Not from the clock's
/// chance: a plan must strike the same requests with every version of the generator.
const fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: Passing<'_> = Passing { set: Some("accounts"), page: None };
    const CONTACTS: Passing<'_> = Passing { set: Some("contacts"), page: Some(2) };

    fn struck(plan: &FaultPlan, passing: Passing<'_>) -> Vec<Option<Fault>> {
        (1..=2_000).map(|number| plan.find(passing, number)).collect()
    }

    #[test]
    fn host_4_a_seed_strikes_the_same_requests_and_another_seed_others() {
        let plan = FaultPlan::seeded(7).share(0.05);
        let first = struck(&plan, ACCOUNTS);
        assert_eq!(first, struck(&plan.clone(), ACCOUNTS));
        assert_ne!(first, struck(&plan, CONTACTS));
        assert_ne!(first, struck(&FaultPlan::seeded(8).share(0.05), ACCOUNTS));
        let count = first.iter().flatten().count();
        assert!((70..=130).contains(&count), "{count} of 2,000 at five in a hundred");
        for kind in Fault::transient() {
            assert!(first.contains(&Some(kind.clone())), "{kind:?} was never drawn");
        }
    }

    #[test]
    fn host_4_the_share_reaches_from_nothing_to_everything() {
        assert!(struck(&FaultPlan::seeded(7), ACCOUNTS).iter().all(Option::is_none));
        let all = FaultPlan::seeded(7).share(1.0);
        assert!(struck(&all, ACCOUNTS).iter().all(Option::is_some));
        assert!(struck(&all.among([]), ACCOUNTS).iter().all(Option::is_none));
    }

    #[test]
    fn host_4_what_is_planted_strikes_as_often_as_it_was_told() {
        let mut plan = FaultPlan::seeded(7)
            .at(Place::request("accounts", 2), Fault::Reset)
            .at_times(Place::page("contacts", 2), Fault::BadGateway, 2)
            .at_times(Place::next(), Fault::BadJson, 0);
        assert_eq!(plan.take(ACCOUNTS, 1), None);
        assert_eq!(plan.take(ACCOUNTS, 2), Some(Fault::Reset));
        assert_eq!(plan.take(ACCOUNTS, 2), None);
        for number in 5..=6 {
            assert_eq!(plan.take(CONTACTS, number), Some(Fault::BadGateway));
        }
        assert_eq!(plan.take(CONTACTS, 7), None);
    }
}
