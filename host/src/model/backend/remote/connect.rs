//! From an address to a connection, in TLS or in the clear.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use super::Fault;
use super::settings::{Address, Checked};

/// The most addresses of one host that are tried.
const MOST_ADDRESSES: usize = 4;

/// Bytes to and from a server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens connections to one server.
pub(super) struct Connector {
    pub(super) address: Address,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
}

impl Connector {
    /// Reads the certificates, where the address asks for TLS.
    pub(super) fn new(checked: &Checked) -> Result<Self, String> {
        let address = checked.address.clone();
        let tls = match address.secure {
            true => Some(trust(&checked.settings.authorities, address.grpc)?),
            false => None,
        };
        Ok(Connector { address, tls, timeout: checked.settings.connect_timeout })
    }

    /// A new connection. No address of the host may take more than its share of the time.
    pub(super) async fn open(&self) -> Result<Box<dyn Stream>, Fault> {
        match tokio::time::timeout(self.timeout, self.open_unhurried()).await {
            Ok(opened) => opened,
            Err(_) => Err(Fault::Passing(format!("no connection within {:?}", self.timeout))),
        }
    }

    async fn open_unhurried(&self) -> Result<Box<dyn Stream>, Fault> {
        let host = &self.address.host;
        let found: Vec<_> = match host {
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), self.address.port))
                .await
                .map_err(|error| Fault::Passing(format!("cannot look up `{name}`: {error}")))?
                .take(MOST_ADDRESSES)
                .collect(),
            Host::Ipv4(address) => vec![(*address, self.address.port).into()],
            Host::Ipv6(address) => vec![(*address, self.address.port).into()],
        };
        let share = self.timeout / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
        let mut last = io::Error::other("it has no address");
        for address in found {
            let connecting = TcpStream::connect(address);
            match tokio::time::timeout(share, connecting).await.unwrap_or_else(|late| Err(late.into())) {
                Ok(tcp) => return self.secure(tcp).await,
                Err(error) => last = error,
            }
        }
        Err(Fault::Passing(format!("cannot connect: {last}; check that the server runs and listens there")))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Box<dyn Stream>, Fault> {
        // A request and its body are two writes; Nagle would hold the second back.
        tcp.set_nodelay(true).map_err(|error| Fault::Passing(format!("cannot connect: {error}")))?;
        let Some(config) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = match &self.address.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|error| Fault::Wrong(format!("`{name}` cannot be in a certificate: {error}")))?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(*address)),
        };
        match TlsConnector::from(Arc::clone(config)).connect(name, tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            // rustls puts its reason inside: a certificate that is not believed stays so.
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                Err(Fault::Wrong(format!(
                    "cannot trust the connection: {error}; check the server's certificate, and `authorities`"
                )))
            }
            Err(error) => Err(Fault::Passing(format!("the connection broke in the TLS handshake: {error}"))),
        }
    }
}

/// TLS that believes the system's authorities and those in `authorities`.
fn trust(authorities: &[PathBuf], grpc: bool) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in authorities {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let added = certificate.map_err(|error| error.to_string());
            let added = added.and_then(|der| roots.add(der).map_err(|error| error.to_string()));
            added.map_err(|error| format!("a certificate in `{shown}` is malformed: {error}"))?;
        }
        if roots.len() == before {
            return Err(format!("there is no certificate in `{shown}`; it has to be a PEM file"));
        }
    }
    if roots.is_empty() {
        return Err("this system has no authorities to check a certificate with; install \
                    `ca-certificates`, or name a PEM file in `authorities`"
            .to_owned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![if grpc { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(config))
}
