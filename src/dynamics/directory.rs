//! Where Microsoft keeps its directories of orgs (Global Discovery). Data.

use crate::dynamics::org_url::{Cloud, OrgUrl};

/// One directory of orgs.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) cloud: Cloud,
    /// Also what its tokens are for.
    pub(crate) address: &'static str,
    pub(crate) name: &'static str,
}

impl Directory {
    /// Its host.
    pub(crate) fn host(&self) -> &'static str {
        self.address.trim_start_matches("https://")
    }

    /// The directory with an address.
    pub(crate) fn named(address: &str) -> Option<&'static Self> {
        DIRECTORIES.iter().find(|directory| directory.address == address)
    }

    /// The directory that would list an org.
    pub(crate) fn of(org: &OrgUrl) -> &'static Self {
        let own = org.web_host().split_once('.').map(|(_, suffix)| format!("globaldisco.{suffix}"));
        let found = DIRECTORIES.iter().find(|directory| Some(directory.host()) == own.as_deref());
        found.unwrap_or(&DIRECTORIES[0])
    }
}

/// Every directory; the first lists the orgs of all commercial regions.
pub(crate) static DIRECTORIES: [Directory; 5] = [
    Directory {
        cloud: Cloud::Public,
        address: "https://globaldisco.crm.dynamics.com",
        name: "Dynamics 365",
    },
    Directory {
        cloud: Cloud::Public,
        address: "https://globaldisco.crm9.dynamics.com",
        name: "Dynamics 365 (US Government, GCC)",
    },
    Directory {
        cloud: Cloud::UsGovernment,
        address: "https://globaldisco.crm.microsoftdynamics.us",
        name: "Dynamics 365 (US Government, GCC High)",
    },
    Directory {
        cloud: Cloud::UsGovernment,
        address: "https://globaldisco.crm.appsplatform.us",
        name: "Dynamics 365 (US Department of Defense)",
    },
    Directory {
        cloud: Cloud::China,
        address: "https://globaldisco.crm.dynamics.cn",
        name: "Dynamics 365 (China, 21Vianet)",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn con_2_an_org_is_looked_up_in_the_directory_of_its_own_cloud() {
        for (address, directory) in [
            ("contoso.crm.dynamics.com", "globaldisco.crm.dynamics.com"),
            ("contoso.crm4.dynamics.com", "globaldisco.crm.dynamics.com"),
            ("contoso.crm9.dynamics.com", "globaldisco.crm9.dynamics.com"),
            ("contoso.crm.microsoftdynamics.us", "globaldisco.crm.microsoftdynamics.us"),
            ("contoso.crm.appsplatform.us", "globaldisco.crm.appsplatform.us"),
            ("contoso.crm.dynamics.cn", "globaldisco.crm.dynamics.cn"),
        ] {
            let org = OrgUrl::parse(address).unwrap();
            let found = Directory::of(&org);
            assert_eq!(found.host(), directory);
            assert_eq!(found.cloud, org.cloud());
        }
    }
}
