//! TLS: whom to believe.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// TLS for a server of these names, and its certificate's PEM.
fn tls(names: &[&str], protocol: &[u8]) -> (Arc<ServerConfig>, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (Arc::new(config), cert.pem())
}

/// A server that shakes hands and answers `503` to everything, and its certificate's PEM.
fn server(names: &[&str], protocol: &[u8]) -> (u16, String) {
    let (config, pem) = tls(names, protocol);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, tcp.unwrap());
            if stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                drop(
                    stream
                        .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\nsecurely"),
                );
            }
        }
    });
    (port, pem)
}

fn answer(port: u16, pem: Option<&str>, host: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    let authorities: Vec<PathBuf> =
        pem.map(|pem| std::fs::write(&path, pem).map(|()| path)).into_iter().flatten().collect();
    let settings =
        Settings { authorities, retries: 0, ..Settings::new(format!("https://{host}:{port}"), "echo") };
    Remote::connect(&settings).err().unwrap()
}

#[test]
fn an_authority_of_the_owner_is_believed() {
    let (port, pem) = server(&["localhost"], b"http/1.1");
    let why = answer(port, Some(&pem), "localhost");
    assert!(why.ends_with("it is unavailable (503): securely"), "{why}");
}

#[test]
fn grpc_runs_in_tls_and_carries_the_token() {
    let (config, pem) = tls(&["127.0.0.1"], b"h2");
    let fake = Fake::grpc_over(pixels_said(), Some(config.into()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, pem).unwrap();
    let token = Some(Secret::new("hunter2"));
    let (_remote, session) = session(&Settings { authorities: vec![path], token, ..settings(&fake) });
    let given = numbers(1);
    assert_eq!(session.run(&[&given]).unwrap(), [given]);
    let headers = fake.state.headers.lock().unwrap();
    assert_eq!(headers["authorization"], "Bearer hunter2");
    assert_eq!(headers["grpc-timeout"], "400m");
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused() {
    let (port, _) = server(&["localhost"], b"http/1.1");
    let (_, other) = server(&["localhost"], b"http/1.1");
    let why = answer(port, Some(&other), "localhost");
    assert!(why.contains("cannot trust the connection"), "{why}");
    assert!(why.ends_with("check the server's certificate, and `authorities`"), "{why}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (port, pem) = server(&["models.example"], b"http/1.1");
    let why = answer(port, Some(&pem), "localhost");
    assert!(why.contains("cannot trust the connection"), "{why}");
}

#[test]
fn a_server_without_http2_is_refused_for_grpc() {
    let (port, pem) = server(&["localhost"], b"http/1.1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, pem).unwrap();
    let settings = Settings {
        authorities: vec![path],
        retries: 0,
        ..Settings::new(format!("grpcs://localhost:{port}"), "echo")
    };
    let why = Remote::connect(&settings).err().unwrap();
    assert!(why.contains("cannot trust the connection"), "{why}");
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let why = answer(1, Some("nothing"), "localhost");
    assert!(why.contains("there is no certificate in `"), "{why}");
    let settings =
        Settings { authorities: vec!["/nowhere.pem".into()], ..Settings::new("https://localhost:1", "echo") };
    let why = Remote::connect(&settings).err().unwrap();
    assert!(why.contains("cannot read `/nowhere.pem`"), "{why}");
}
