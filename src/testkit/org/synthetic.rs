//! Huge orgs whose rows are computed when they are read.

use std::sync::Arc;

use crate::testkit::dataverse::synthetic::{CHANGED_VERSION, Subject, Synthetic, World};
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
        let world = Arc::new(World {
            seed,
            opportunities,
            users,
            currency: builder.base_currency,
            process: builder.sales.id,
            stages: builder.sales.stages.clone(),
            since: BEGINNING,
        });
        let subjects = [
            ("account", Subject::Account),
            ("contact", Subject::Contact),
            ("opportunity", Subject::Opportunity),
            ("opportunitysalesprocess", Subject::Instance),
        ];
        for (table, subject) in subjects {
            if let Some(table) = builder.org.table_mut(table) {
                table.synthesise(Synthetic::new(subject, Arc::clone(&world)));
            }
        }
        builder.org.next_version = CHANGED_VERSION;
        builder
    }
}
