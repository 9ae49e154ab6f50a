//! Plays the browser: follows the sign-in page's redirects until they lead back to the host.

use anyhow::{Context, Result, bail};
use fluint_crm::connector::Callback;
use url::Url;

/// Redirects followed before giving up.
const MAX_REDIRECTS: usize = 10;

/// Opens the sign-in page and gives what the browser would bring back to `redirect`.
pub(crate) async fn sign_in(start: &Url, redirect: &Url) -> Result<Callback> {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut page = start.clone();
    for _ in 0..MAX_REDIRECTS {
        let answer = browser.get(page.clone()).send().await;
        // The address carries the sign-in's state; it has no place in an error.
        let answer =
            answer.map_err(reqwest::Error::without_url).context("open the sign-in page")?;
        let Some(location) = answer.headers().get(reqwest::header::LOCATION) else {
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            bail!("the sign-in page did not lead back ({status}): {}", first_words(&text));
        };
        page = page.join(location.to_str()?)?;
        if is_back(&page, redirect) {
            return Ok(Callback::from_url(&page));
        }
    }
    bail!("the sign-in page kept redirecting")
}

fn is_back(page: &Url, redirect: &Url) -> bool {
    page.origin() == redirect.origin() && page.path() == redirect.path()
}

fn first_words(text: &str) -> String {
    text.split_whitespace().take(30).collect::<Vec<_>>().join(" ")
}
