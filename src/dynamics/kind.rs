//! The name of this kind of CRM.

use crate::model::CrmKind;

/// Dynamics 365 as a kind of CRM.
pub const DYNAMICS: CrmKind = CrmKind::new("dynamics");
