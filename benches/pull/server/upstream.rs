//! The fake behind the prepared pages.

use anyhow::Result;
use url::Url;

use crate::server::http::{Answer, Head};

/// Passes requests on, as if they had come to the fake itself.
pub(crate) struct Upstream {
    client: reqwest::Client,
    base: Url,
}

/// Headers of one connection, not of what is said over it.
const OF_A_CONNECTION: [&str; 4] =
    ["connection", "content-length", "transfer-encoding", "accept-encoding"];

impl Upstream {
    pub(crate) fn new(base: Url) -> Result<Self> {
        let client =
            reqwest::Client::builder().no_gzip().redirect(reqwest::redirect::Policy::none());
        Ok(Self { client: client.build()?, base })
    }

    pub(crate) async fn ask(&self, head: &Head, body: Vec<u8>) -> Result<Answer> {
        let method = reqwest::Method::from_bytes(head.method.as_bytes())?;
        let mut request = self.client.request(method, self.base.join(&head.target)?);
        for (name, value) in &head.headers {
            if !OF_A_CONNECTION.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        let mut headers = String::new();
        for (name, value) in response.headers() {
            if !OF_A_CONNECTION.contains(&name.as_str()) {
                headers += &format!("{name}: {}\r\n", value.to_str()?);
            }
        }
        Ok(Answer::new(status, &headers, response.bytes().await?))
    }
}
