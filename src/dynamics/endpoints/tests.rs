use super::*;
use crate::dynamics::test_bench::endpoints;

const ORG: &str = "contoso.crm4.dynamics.com";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn faked(authority: &str, org: &str) -> Endpoints {
    let overrides = Overrides::new(Some(url(authority)), Some(url(org))).unwrap();
    Endpoints::new(OrgUrl::parse(ORG).unwrap(), &overrides).unwrap()
}

#[test]
fn con_2_production_talks_to_the_orgs_own_cloud() {
    let endpoints = endpoints(ORG);
    assert_eq!(
        endpoints.authorize_url(None).unwrap().as_str(),
        "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize"
    );
    assert_eq!(
        endpoints.token_url(Some("11111111-2222-3333-4444-555555555555")).unwrap().as_str(),
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token"
    );
    assert_eq!(
        endpoints.web_api("accounts?$select=name").unwrap().as_str(),
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/accounts?$select=name"
    );
    assert_eq!(
        endpoints.scope(),
        "https://contoso.api.crm4.dynamics.com/user_impersonation openid profile offline_access"
    );
    assert_eq!(endpoints.org_host(), ORG);
    assert_eq!(
        endpoints.authorize_url(Some("t")).unwrap().path(),
        "/t/oauth2/v2.0/authorize",
        "a guest is sent to the org's tenant"
    );
    let china = crate::dynamics::test_bench::endpoints("contoso.crm.dynamics.cn");
    assert_eq!(
        china.token_url(None).unwrap().as_str(),
        "https://login.partner.microsoftonline.cn/organizations/oauth2/v2.0/token"
    );
    assert_eq!(
        china.issuer("t").as_deref(),
        Some("https://login.partner.microsoftonline.cn/t/v2.0")
    );
}

#[test]
fn con_4_the_admin_consent_link_names_the_org_and_no_secret() {
    assert_eq!(
        endpoints(ORG)
            .admin_consent_url(None, "app", "https://host.example/back?x=1")
            .unwrap()
            .as_str(),
        "https://login.microsoftonline.com/organizations/v2.0/adminconsent?client_id=app\
         &scope=https%3A%2F%2Fcontoso.api.crm4.dynamics.com%2F.default\
         &redirect_uri=https%3A%2F%2Fhost.example%2Fback%3Fx%3D1&state=admin-consent-dynamics"
    );
}

#[test]
fn con_9_a_tenant_cannot_bend_the_path() {
    for tenant in ["../../evil", "a/b", "a?b", "a#b", "..", "."] {
        let url = endpoints(ORG).token_url(Some(tenant)).unwrap();
        assert_eq!(url.host_str(), Some("login.microsoftonline.com"));
        assert!(url.path().ends_with("/oauth2/v2.0/token"), "{url}");
        assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
    }
}

#[test]
fn host_4_an_override_moves_the_requests_and_not_the_scope() {
    let endpoints = faked("http://127.0.0.1:4001/entra", "http://[::1]:4002");
    assert_eq!(
        endpoints.authorize_url(None).unwrap().as_str(),
        "http://127.0.0.1:4001/entra/organizations/oauth2/v2.0/authorize"
    );
    assert_eq!(
        endpoints.web_api("WhoAmI").unwrap().as_str(),
        "http://[::1]:4002/api/data/v9.2/WhoAmI"
    );
    assert!(endpoints.scope().starts_with("https://contoso.api.crm4.dynamics.com/"));
    assert_eq!(endpoints.issuer("t"), None);
    let page = endpoints.record_url("opportunity", "0a1b").unwrap();
    assert_eq!(
        page.as_str(),
        "https://contoso.crm4.dynamics.com/main.aspx?etn=opportunity&pagetype=entityrecord&id=0a1b"
    );
    assert!(endpoints.accepts(&url("http://[::1]:4002/api/data/v9.2/accounts")));
    for other in [
        "http://[::1]:4001/api/data/v9.2/accounts",
        "http://127.0.0.1:4002/api/data/v9.2/accounts",
        "https://[::1]:4002/api/data/v9.2/accounts",
        "http://me@[::1]:4002/api/data/v9.2/accounts",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/accounts",
    ] {
        assert!(!endpoints.accepts(&url(other)), "{other}");
    }
}

#[test]
fn con_9_an_override_must_be_this_machine() {
    for good in ["http://127.0.0.1:1", "http://127.9.9.9/", "http://[::1]:1/x", "http://localhost"]
    {
        assert!(Overrides::new(Some(url(good)), None).is_ok(), "{good}");
    }
    for bad in [
        "https://127.0.0.1/",
        "http://192.168.0.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost.evil.com/",
        "http://evil.com/",
        "http://me@127.0.0.1/",
        "http://127.0.0.1/?a",
        "http://127.0.0.1/#a",
        "ftp://127.0.0.1/",
        "data:127.0.0.1",
    ] {
        for (authority, org) in [(Some(url(bad)), None), (None, Some(url(bad)))] {
            let refused = Overrides::new(authority, org);
            assert!(matches!(refused, Err(Error::Config { .. })), "{bad}");
        }
    }
}

#[test]
fn r_11_hostile_next_links_are_not_followed() {
    let endpoints = endpoints(ORG);
    let root = "https://contoso.api.crm4.dynamics.com/api/data/v9.2/";
    for good in [
        format!("{root}accounts?$skiptoken=%3Ccookie%20pagenumber%3D%222%22%2F%3E"),
        "https://contoso.crm4.dynamics.com/api/data/v9.2/accounts?$skiptoken=1".to_owned(),
        "https://CONTOSO.api.crm4.dynamics.com:443/api/data/v9.2/accounts".to_owned(),
    ] {
        assert!(endpoints.accepts(&url(&good)), "{good}");
    }
    let mut hostile: Vec<String> = [
        "http://contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "ws://contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "ftp://contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "file:///api/data/v9.2/a",
        "data:text/plain,/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com:8443/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com:80/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com./api/data/v9.2/a",
        "https://contoso.api.crm.dynamics.com/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com.evil.com/api/data/v9.2/a",
        "https://contosoapi.crm4.dynamics.com/api/data/v9.2/a",
        "https://contoso.api.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://fabrikam.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://evil.com/api/data/v9.2/a",
        "https://127.0.0.1/api/data/v9.2/a",
        "https://[::1]/api/data/v9.2/a",
        "https://me@contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://me:pw@contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://:pw@contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com@evil.com/api/data/v9.2/a",
        "https://evil.com\\@contoso.api.crm4.dynamics.com/api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/a#x",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/a#",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.1/a",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.20/a",
        "https://contoso.api.crm4.dynamics.com/API/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/../../../x",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/%2e%2e/x",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/..%2f..%2fx",
        "https://contoso.api.crm4.dynamics.com/api/data/v9.2/..%5C..%5Cx",
        "https://contoso.api.crm4.dynamics.com//api/data/v9.2/a",
        "https://contoso.api.crm4.dynamics.com/x/api/data/v9.2/a",
    ]
    .map(str::to_owned)
    .into();
    hostile.push(format!("{root}accounts?x={}", "a".repeat(64 * 1024)));
    for link in &hostile {
        assert!(!endpoints.accepts(&url(link)), "{link}");
    }
}

#[test]
fn con_9_a_web_api_path_stays_below_the_root() {
    let endpoints = endpoints(ORG);
    for path in
        ["accounts", "$batch", "a(1)/b", "f(x=@p1)?@p1=[\"a\"]", "//evil.com", "https://evil.com"]
    {
        let url = endpoints.web_api(path).unwrap();
        assert_eq!(url.host_str(), Some("contoso.api.crm4.dynamics.com"), "{path}");
        assert!(url.path().starts_with("/api/data/v9.2/"), "{path}");
    }
    for path in ["../v9.1/accounts", "a/../../x", "accounts#x", "..%2fx"] {
        assert!(endpoints.web_api(path).is_err(), "{path}");
    }
}

#[test]
fn con_2_a_named_authority_is_compared_with_the_fixed_table() {
    let trust = |authority: &str| endpoints(ORG).trust(&url(authority));
    let ours = "https://login.microsoftonline.com/common/oauth2/authorize";
    assert_eq!(trust(ours), Trust::Ours);
    let china = endpoints("contoso.crm.dynamics.cn");
    assert_eq!(china.trust(&url("https://login.chinacloudapi.cn/common")), Trust::Ours);
    for other in
        ["https://login.microsoftonline.us/t", "https://login.partner.microsoftonline.cn/t"]
    {
        assert_eq!(trust(other), Trust::OtherCloud, "{other}");
    }
    for unknown in [
        "https://login.microsoftonline.com.evil.com/t",
        "https://evil.com/login.microsoftonline.com",
        "http://login.microsoftonline.us/t",
        "https://login.microsoftonline.us:444/t",
        "https://login.microsoftonline.de/t",
        "http://127.0.0.1/t",
    ] {
        assert_eq!(trust(unknown), Trust::Unknown, "{unknown}");
    }
}

#[test]
fn con_2_a_directory_of_orgs_has_its_own_scope_and_path() {
    let china = crate::dynamics::directory::DIRECTORIES.last().unwrap();
    let endpoints = Endpoints::directory(china, &Overrides::default()).unwrap();
    assert_eq!(
        endpoints.scope(),
        "https://globaldisco.crm.dynamics.cn/user_impersonation openid profile offline_access"
    );
    assert_eq!(
        endpoints.web_api("Instances").unwrap().as_str(),
        "https://globaldisco.crm.dynamics.cn/api/discovery/v2.0/Instances"
    );
    let sign_in = endpoints.authorize_url(None).unwrap();
    assert_eq!(sign_in.host_str(), Some("login.partner.microsoftonline.cn"));
    assert!(endpoints.record_url("account", "x").is_none());
    assert!(!endpoints.accepts(&url("https://contoso.crm.dynamics.cn/api/discovery/v2.0/x")));
}
