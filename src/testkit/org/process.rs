//! Business processes and their stages.

use uuid::Uuid;

use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::schema::Definition;
use crate::testkit::dataverse::table::Table;
use crate::testkit::org::OrgBuilder;

/// A process of the fake org.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// The id of its definition (`workflowid`).
    pub id: Uuid,
    /// Its stages in order.
    pub stages: Vec<Uuid>,
    /// The logical name of its instance table.
    pub table: String,
}

impl OrgBuilder {
    /// The stock process on opportunities: Qualify, Develop, Propose, Close.
    #[must_use]
    pub fn sales_process(&self) -> Process {
        self.sales.clone()
    }

    /// The stock process from lead to opportunity, with stages of the same names.
    #[must_use]
    pub fn lead_process(&self) -> Process {
        self.lead.clone()
    }

    /// Adds an active process and, when there is none yet, its instance table.
    ///
    /// `table` is the unique name of the process, such as `new_bpf_enterprise`, and
    /// `primary_table` the logical name of the table it is defined on.
    pub fn add_process(
        &mut self,
        name: &str,
        table: &str,
        primary_table: &str,
        stages: &[&str],
    ) -> Process {
        self.add_instances(table);
        let id = self
            .add("workflow")
            .set("name", name)
            .set("uniquename", table)
            .set("category", 4)
            .set("type", 1)
            .set("statecode", 1)
            .set("statuscode", 2)
            .set("primaryentity", primary_table)
            .set("processorder", 1)
            .set("businessprocesstype", 0)
            .id();
        let mut added = Vec::new();
        for (category, stage) in (0..).zip(stages) {
            let row = self
                .add("processstage")
                .set("stagename", *stage)
                .set("stagecategory", Cell::Int(category))
                .set("processid", id)
                .set("primaryentitytypecode", "opportunity");
            added.push(row.id());
        }
        Process { id, stages: added, table: table.to_owned() }
    }

    /// Adds the instance table of a process, unless it is there.
    pub(crate) fn add_instances(&mut self, table: &str) {
        if self.org.table_named(table).is_none() {
            self.org.tables.push(Table::new(Definition::instances(table)));
        }
    }
}
