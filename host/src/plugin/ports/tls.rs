//! A port's certificate and key.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};

use crate::base::{Error, Result, read_file};

/// TLS 1.2 and 1.3 with the owner's PEM files: the certificate, followed by those that lead to its root,
/// and its private key.
///
/// # Errors
/// [`Kind::Manifest`](crate::base::Kind::Manifest) where a file is missing, holds something else, or the two
/// do not belong together.
pub fn tls_server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(&read("certificate", certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| {
            Error::manifest(format!("certificate file `{}` is not PEM: {error}", certificate.display()))
        })?;
    if chain.is_empty() {
        return Err(Error::manifest(format!(
            "there is no certificate in `{}`; it must hold one in PEM, `-----BEGIN CERTIFICATE-----`",
            certificate.display()
        )));
    }
    let private = PrivateKeyDer::from_pem_slice(&read("key", key)?).map_err(|_| {
        Error::manifest(format!(
            "there is no private key in `{}`; it must hold one in PEM, `-----BEGIN PRIVATE KEY-----`, \
             without a passphrase",
            key.display()
        ))
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            Error::manifest(match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                    "the key in `{key}` does not belong to the certificate in `{certificate}`; \
                     name the two that were made together"
                ),
                error => format!("certificate `{certificate}` with key `{key}` cannot be used: {error}"),
            })
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    read_file(path)
        .map_err(|error| Error::manifest(format!("{what} file `{}` cannot be read: {error}", path.display())))
}
