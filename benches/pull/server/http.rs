//! As much HTTP/1.1 as a client on loopback speaks.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request's first line and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let target = first.next().context("a request line without a target")?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        Ok(Self { method, target, headers: headers.collect() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The entity set or function that the target names.
    pub(crate) fn set(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        let rest = path.split('/').nth(4).unwrap_or(path);
        rest.split('(').next().unwrap_or(rest)
    }
}

/// An answer that is ready to be written; `head` ends with the empty line.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let head =
            format!("HTTP/1.1 {status} -\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self { status, head: head.into(), body }
    }

    pub(crate) fn json(body: Vec<u8>) -> Self {
        Self::new(200, "content-type: application/json\r\n", body)
    }

    pub(crate) fn refused(status: u16, message: &str) -> Self {
        let body = format!("{{\"error\":{{\"code\":\"0x0\",\"message\":\"{message}\"}}}}");
        Self::new(status, "content-type: application/json\r\n", body)
    }
}

/// One connection.
pub(crate) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next request with its body; none when the client hung up.
    pub(crate) async fn next(&mut self) -> Result<Option<(Head, Vec<u8>)>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await? {
                return Ok(None);
            }
        };
        let head = Head::parse(std::str::from_utf8(&self.buffer[..end])?)?;
        let length = head.header("content-length").map_or(Ok(0), str::parse)?;
        while self.buffer.len() < end + 4 + length {
            if !self.more().await? {
                bail!("the client hung up within a body");
            }
        }
        let rest = self.buffer.split_off(end + 4 + length);
        let body = self.buffer.split_off(end + 4);
        self.buffer = rest;
        Ok(Some((head, body)))
    }

    async fn more(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    pub(crate) async fn send(&mut self, answer: &Answer) -> Result<()> {
        self.stream.write_all(&answer.head).await?;
        self.stream.write_all(&answer.body).await?;
        Ok(())
    }
}
