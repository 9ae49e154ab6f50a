mod memory;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::http::log::Log;

/// Answers every connection with the same bytes, then closes it. Hands back its address.
async fn serve(answer: impl Into<Vec<u8>>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.into();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 4096];
            let _ = stream.read(&mut seen).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    Url::parse(&format!("http://{address}/page?marker-secret=1")).unwrap()
}

fn get(url: Url) -> Request {
    Request { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new(), expect: 0 }
}

fn client() -> HttpClient {
    HttpClient::new(Reach::HttpsOrLoopback).unwrap()
}

async fn failure(client: &HttpClient, url: Url) -> TransportError {
    match client.send(get(url)).await {
        Ok(response) => panic!("an answer came: {response:?}"),
        Err(error) => error,
    }
}

fn with_length(headers: &str, body: &[u8], length: usize) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A gzip stream of one block of zeros, written by hand: no compressor is linked.
fn gzip_of_zeros(blocks: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // A final block of fixed Huffman codes: one literal zero, then matches of 258 zeros at
    // distance 1, packed least significant bit first.
    let mut bits = Bits::default();
    bits.push(1, 1);
    bits.push(1, 2);
    bits.push_code(0b0011_0000, 8);
    for _ in 0..blocks {
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
    }
    bits.push_code(0, 7);
    out.extend(bits.finish());
    let length = 1 + blocks * 258;
    let crc = crc32(length);
    out.extend(crc.to_le_bytes());
    out.extend(u32::try_from(length).unwrap().to_le_bytes());
    out
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes are packed with the most significant bit first.
    fn push_code(&mut self, code: u32, count: u32) {
        for bit in (0..count).rev() {
            self.push(code >> bit & 1, 1);
        }
    }

    fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

fn crc32(zeros: usize) -> u32 {
    let mut crc = u32::MAX;
    for _ in 0..zeros {
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[tokio::test]
async fn syn_5_an_answer_of_any_status_is_an_answer() {
    let answer =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy";
    let response = client().send(get(serve(answer).await)).await.unwrap();
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers["retry-after"], "7");
    assert_eq!(&response.body[..], b"busy");
}

#[tokio::test]
async fn r_11_a_redirect_is_handed_back_and_not_followed() {
    let target = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
    );
    let url = serve(answer.clone()).await;
    let response = client().send(get(url)).await.unwrap();
    assert_eq!(response.status, StatusCode::TEMPORARY_REDIRECT);

    // A host's own client that follows redirects is found out.
    let careless = HttpClient::with(reqwest::Client::new(), Reach::HttpsOrLoopback);
    let error = failure(&careless, serve(answer).await).await;
    assert_eq!(error.kind, TransportErrorKind::UnusableBody);
    assert_eq!(error.source.to_string(), "a redirect was followed");
}

#[tokio::test]
async fn con_9_plain_http_is_for_the_loopback_address_only() {
    let url = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let strict = HttpClient::new(Reach::HttpsOnly).unwrap();
    assert_eq!(failure(&strict, url).await.kind, TransportErrorKind::NotSent);
    for elsewhere in ["http://192.0.2.1/", "http://example.com/", "ftp://127.0.0.1/"] {
        let error = failure(&client(), Url::parse(elsewhere).unwrap()).await;
        assert_eq!(error.source.to_string(), "only https addresses are asked", "{elsewhere}");
    }
}

#[tokio::test]
async fn r_1_a_refused_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = failure(&client(), Url::parse(&url).unwrap()).await;
    assert_eq!(error.kind, TransportErrorKind::NotSent);
}

#[tokio::test]
async fn r_1_a_connection_closed_without_an_answer_may_have_been_sent() {
    let error = failure(&client(), serve("").await).await;
    assert_eq!(error.kind, TransportErrorKind::MaybeSent);
}

#[tokio::test]
async fn r_1_a_body_cut_short_is_the_lines_fault() {
    let error = failure(&client(), serve(with_length("", b"half", 8)).await).await;
    assert_eq!(error.kind, TransportErrorKind::MaybeSent);

    let whole = gzip_of_zeros(2000);
    let (half, _) = whole.split_at(whole.len() / 2);
    let cut = with_length("Content-Encoding: gzip\r\n", half, whole.len());
    assert_eq!(failure(&client(), serve(cut).await).await.kind, TransportErrorKind::MaybeSent);
}

#[tokio::test]
async fn r_12_a_body_that_cannot_be_decompressed_is_unusable() {
    let answer = with_length("Content-Encoding: gzip\r\n", b"not gzip at all", 15);
    let error = failure(&client(), serve(answer).await).await;
    assert_eq!(error.kind, TransportErrorKind::UnusableBody);

    // The line brought all that was announced, and yet the stream is not whole.
    let whole = gzip_of_zeros(2000);
    let (half, _) = whole.split_at(whole.len() / 2);
    let answer = with_length("Content-Encoding: gzip\r\n", half, half.len());
    let error = failure(&client(), serve(answer).await).await;
    assert_eq!(error.kind, TransportErrorKind::UnusableBody);
}

#[tokio::test]
async fn r_12_the_cap_counts_decompressed_bytes() {
    let mut client = client();
    let bomb = gzip_of_zeros(1000);
    assert!(bomb.len() < 2000);
    let answer = with_length("Content-Encoding: gzip\r\n", &bomb, bomb.len());

    client.max_body = 258_001;
    let response = client.send(get(serve(answer.clone()).await)).await.unwrap();
    assert_eq!(response.body.len(), 258_001);

    client.max_body = 258_000;
    let error = failure(&client, serve(answer).await).await;
    assert_eq!(error.kind, TransportErrorKind::UnusableBody);
    assert_eq!(error.source.to_string(), "the body exceeds the cap");

    // An announced length is believed before anything is read.
    let announced = with_length("", b"", 258_001);
    let error = failure(&client, serve(announced).await).await;
    assert_eq!(error.kind, TransportErrorKind::UnusableBody);
}

#[tokio::test]
async fn r_9_no_trace_of_any_crate_shows_a_header_or_a_body() {
    let log = Log::default();
    let _listening = log.listen();
    let body = b"marker-body";
    let url = serve(with_length("X-Answer: marker-answer\r\n", body, body.len())).await;
    let mut request = get(Url::parse(url.as_str().split('?').next().unwrap()).unwrap());
    let mut secret = HeaderValue::from_static("Bearer marker-secret");
    secret.set_sensitive(true);
    request.headers.insert("authorization", secret);
    request.body = Bytes::from_static(b"client_secret=marker-form");
    let response = client().send(request).await.unwrap();
    assert_eq!(&response.body[..], body);
    assert!(log.text().contains("TRACE"), "nothing was heard");
    assert!(!log.text().contains("marker"), "{}", log.text());
}

#[tokio::test]
async fn con_9_no_error_carries_the_url_or_a_header() {
    for answer in [Vec::new(), with_length("", b"half", 8)] {
        let mut request = get(serve(answer).await);
        let mut secret = HeaderValue::from_static("Bearer marker-secret");
        secret.set_sensitive(true);
        request.headers.insert("authorization", secret);
        assert!(!format!("{request:?}").contains("marker"));
        let error = client().send(request).await.unwrap_err();
        let mut text = format!("{error:?} {error}");
        let mut next: Option<&dyn StdError> = Some(&error);
        while let Some(error) = next {
            text.push_str(&error.to_string());
            next = error.source();
        }
        assert!(!text.contains("marker"), "{text}");
    }
}
