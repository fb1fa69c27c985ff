//! Whom to believe.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::base::{Error, Result, read_file};

/// TLS that trusts the system's roots and those in the PEM files `extra_roots`. One for all plugins: it keeps
/// no sessions.
///
/// # Errors
/// A file that cannot be read or holds no certificate. A system without roots is no error: every `https`
/// request then fails for its certificate.
pub fn tls_config(extra_roots: &[PathBuf]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in extra_roots {
        let shown = path.display();
        let bytes = read_file(path).map_err(|error| {
            Error::manifest(format!("cannot read the certificates in `{shown}`: {error}"))
        })?;
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let added = certificate.map_err(|error| error.to_string());
            let added = added.and_then(|der| roots.add(der).map_err(|error| error.to_string()));
            added.map_err(|error| {
                Error::manifest(format!("a certificate in `{shown}` is malformed: {error}"))
            })?;
            count += 1;
        }
        if count == 0 {
            let words = format!(
                "there is no certificate in `{shown}`; it has to be a PEM file with `BEGIN CERTIFICATE`"
            );
            return Err(Error::manifest(words));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
