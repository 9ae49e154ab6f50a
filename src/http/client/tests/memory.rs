//! how much memory hostile answers cost, measured in a process of its own, where no other test
//! takes any.

use std::process::Command;

use super::*;

/// What a hostile answer may cost at most.
const MOST: usize = 64 * 1024 * 1024;

/// Sends the same bytes for ever, after a head that announces no length.
async fn serve_for_ever(headers: &'static str, begin: Vec<u8>, again: Vec<u8>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = [0; 4096];
        let _ = stream.read(&mut seen).await;
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&begin).await;
        while stream.write_all(&again).await.is_ok() {}
    });
    Url::parse(&format!("http://{address}/page")).unwrap()
}

/// Megabytes of this process: what it takes now, or took at most.
fn resident(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let kilobytes: usize =
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn child_that_is_sent_bombs() {
    // A warm client: its pools and its TLS are not the bomb's.
    failure(&client(), serve(Vec::new()).await).await;
    let before = resident("VmRSS");
    let zeros = gzip_of_zeros(16);
    // Of the stream: its head, then one match of 258 zeros over and over. Eight of them are
    // thirteen bytes, wherever they begin.
    let (begin, again) = (zeros[..12].to_vec(), zeros[12..25].repeat(4096));
    for (headers, begin, again) in [
        ("Content-Encoding: gzip\r\n", begin, again),
        ("", b"{\"value\":[".to_vec(), vec![b'['; 65_536]),
        ("", Vec::new(), b"{\"a\":".repeat(10_000)),
    ] {
        let error = failure(&client(), serve_for_ever(headers, begin, again).await).await;
        assert_eq!(error.kind, TransportErrorKind::UnusableBody, "{error:?}");
        assert_eq!(error.source.to_string(), "the body exceeds the cap");
    }
    let rise = resident("VmHWM") - before;
    assert!(rise > MAX_BODY_BYTES / 2, "{rise} bytes: nothing was taken in");
    assert!(rise <= MOST, "{rise} bytes");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn r_12_an_answer_without_end_costs_at_most_64_mib() {
    let child = "http::client::tests::memory::child_that_is_sent_bombs";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}
