//! Whom to believe.

use std::path::Path;

use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server with a certificate for `names`, and the certificate's PEM.
async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
            read_request(&mut stream).await;
            drop(stream.write_all(plain("200 OK", "", &name).as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    at
}

fn https(name: &str, port: u16) -> HostGrant {
    HostGrant { scheme: Scheme::Https, ..local(name, port) }
}

fn written(folder: &Path, pem: &str) -> Vec<PathBuf> {
    let path = folder.join("root.pem");
    std::fs::write(&path, pem).unwrap();
    vec![path]
}

async fn answer(
    names: &[&str],
    roots: impl FnOnce(&str) -> Vec<PathBuf>,
    host: &str,
) -> Result<Response<Bytes>, EgressError> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let at = server(cert.der().clone(), &signing_key).await;
    let grant = match host.parse() {
        Ok(address) => HostGrant { host: HostPattern::Address(address), ..https("", at.port()) },
        Err(_) => https(host, at.port()),
    };
    let trial = Trial::trusting(vec![grant], ROOMY, site(), &roots(&cert.pem()));
    trial.get(&format!("https://{host}:{}/", at.port())).await
}

fn is_refused(result: &Result<Response<Bytes>, EgressError>) -> bool {
    matches!(result, Err(EgressError::Failed(why)) if why.contains("cannot trust"))
}

#[tokio::test]
async fn a_root_of_the_owners_is_accepted_and_the_name_is_the_urls() {
    let folder = tempfile::tempdir().unwrap();
    let result = answer(&["site.example"], |pem| written(folder.path(), pem), "site.example").await;
    assert_eq!(result.unwrap().body(), "site.example");
    let result = answer(&["127.0.0.1"], |pem| written(folder.path(), pem), "127.0.0.1").await;
    assert_eq!(result.unwrap().body(), "none", "an address has no server name: RFC 6066, 3");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let result = answer(&["site.example"], |_| vec![], "site.example").await;
    assert!(is_refused(&result), "{result:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for names in [&["other.example"][..], &["127.0.0.1"], &["*.site.example"]] {
        let result = answer(names, |pem| written(folder.path(), pem), "site.example").await;
        assert!(is_refused(&result), "{names:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_run_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["site.example".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let at = server(certificate.der().clone(), &key).await;
    let roots = written(folder.path(), &certificate.pem());
    let trial = Trial::trusting(vec![https("site.example", at.port())], ROOMY, site(), &roots);
    let result = trial.get(&format!("https://site.example:{}/", at.port())).await;
    assert!(is_refused(&result), "{result:?}");
}

#[tokio::test]
async fn https_to_a_server_without_tls_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(stream.write_all(plain("400 Bad Request", "", "").as_bytes()).await);
        drop(stream.read(&mut [0; 1 << 10]).await);
    });
    let trial = Trial::new(vec![https("site.example", port)], ROOMY, site());
    let result = trial.get(&format!("https://site.example:{port}/")).await;
    assert!(is_refused(&result), "{result:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_over_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = EgressLimits { timeout: Duration::from_millis(300), ..ROOMY };
    let trial = Trial::new(vec![https("site.example", port)], limits, site());
    let result = trial.get(&format!("https://site.example:{port}/")).await;
    assert_eq!(result.unwrap_err(), EgressError::TimedOut);
}

#[test]
fn a_file_of_roots_that_is_none_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases =
        [(vec![missing], "cannot read"), (written(folder.path(), "nothing"), "there is no certificate in")];
    for (roots, words) in cases {
        let error = tls_config(&roots).unwrap_err();
        let path = roots[0].display().to_string();
        assert!(error.message().contains(words) && error.message().contains(&path), "{error}");
    }
    let error = tls_config(&written(folder.path(), broken)).unwrap_err();
    assert!(error.message().contains("malformed"), "{error}");
}
