//! Huge orgs whose rows are computed when they are read.

use std::sync::Arc;

use crate::testkit::dataverse::synthetic::{CHANGED_VERSION, Counts, Subject, Synthetic, World};
use crate::testkit::dataverse::table::Table;
use crate::testkit::org::{BEGINNING, OrgBuilder};

impl OrgBuilder {
    /// An org of so many opportunities, a fifth as many accounts and half as many contacts, whose
    /// rows take no memory.
    ///
    /// Four in five opportunities are open, each is in a stage of the sales process, and ten
    /// users own them. Rows can be changed and deleted later like any other.
    ///
    /// # Example
    /// ```
    /// use fluint_crm::testkit::OrgBuilder;
    ///
    /// let org = OrgBuilder::synthetic(7, 1_000_000).build();
    /// ```
    #[must_use]
    pub fn synthetic(seed: u64, opportunities: u64) -> Self {
        let mut builder = Self::new(seed);
        let users = (1..=10).map(|number| {
            let email = format!("seller{number}@contoso.com");
            builder.add_user(&format!("Seller {number}"), &email).id()
        });
        let users = users.collect();
        let world = World {
            seed,
            counts: Counts::beside(opportunities),
            users,
            currency: builder.base_currency,
            process: builder.sales.id,
            stages: builder.sales.stages.clone(),
            since: BEGINNING,
        };
        builder.compute(world);
        builder.org.next_version = CHANGED_VERSION;
        builder
    }

    /// Computes so many rows of one of the tables of a [`synthetic`](Self::synthetic) org instead:
    /// `account`, `contact`, `opportunity` or `opportunitysalesprocess`. Another table stays as it
    /// is.
    ///
    /// # Example
    /// ```
    /// use fluint_crm::testkit::OrgBuilder;
    ///
    /// // Many people, few deals.
    /// let org = OrgBuilder::synthetic(7, 1_000).computed_rows("contact", 300_000).build();
    /// ```
    #[must_use]
    pub fn computed_rows(mut self, table: &str, rows: u64) -> Self {
        let computed = self.org.table_named("opportunity").and_then(Table::synthetic);
        let subject = SUBJECTS.iter().find(|(name, _)| *name == table);
        if let (Some(computed), Some((_, subject))) = (computed, subject) {
            let mut world = computed.world().clone();
            *world.counts.of(*subject) = rows;
            self.compute(world);
        }
        self
    }

    fn compute(&mut self, world: World) {
        let world = Arc::new(world);
        for (table, subject) in SUBJECTS {
            if let Some(table) = self.org.table_mut(table) {
                table.synthesise(Synthetic::new(subject, Arc::clone(&world)));
            }
        }
    }
}

const SUBJECTS: [(&str, Subject); 4] = [
    ("account", Subject::Account),
    ("contact", Subject::Contact),
    ("opportunity", Subject::Opportunity),
    ("opportunitysalesprocess", Subject::Instance),
];
