//! From a granted url to a connection with an address that was checked.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use url::Host;

use super::grant::{HostGrant, Scheme, Target, permitted};
use super::{EgressError, Resolve};

/// The most addresses of one host that are tried.
const MOST_ADDRESSES: usize = 8;

/// The system's resolver, with its `/etc/hosts`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(
            async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) },
        )
    }
}

/// Bytes to and from a host, in TLS or in the clear.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The addresses `target` may be at, from the one lookup made for it.
pub(super) async fn find(
    resolver: &Arc<dyn Resolve>,
    grants: &[&HostGrant],
    target: &Target,
    place: &Arc<OwnedSemaphorePermit>,
) -> Result<Vec<IpAddr>, EgressError> {
    let found = match (target.host(), target.address()) {
        (_, Some(literal)) => vec![literal],
        (host, None) => {
            let (resolver, name, place) = (Arc::clone(resolver), host.to_string(), Arc::clone(place));
            // getaddrinfo cannot be called off. A lookup that outlives its request keeps the request's place,
            // so that a plugin holds at most `concurrent` of the runtime's threads.
            let lookup = tokio::spawn(async move {
                let found = resolver.resolve(&name).await;
                drop(place);
                found
            });
            let found = lookup.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            found.map_err(|error| EgressError::Failed(format!("cannot look up `{host}`: {error}")))?
        }
    };
    let mut addresses = permitted(grants, target, &found).map_err(EgressError::Denied)?;
    if addresses.is_empty() {
        return Err(EgressError::Failed(format!("`{}` has no address", target.host())));
    }
    addresses.truncate(MOST_ADDRESSES);
    Ok(addresses)
}

/// Connects to the first of `addresses` that answers. None may take more than its share of `timeout`.
pub(super) async fn open(
    addresses: &[IpAddr],
    target: &Target,
    tls: &Arc<ClientConfig>,
    timeout: Duration,
) -> Result<Box<dyn Wire>, EgressError> {
    let share = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for &address in addresses {
        let connecting = TcpStream::connect((address, target.port()));
        match tokio::time::timeout(share, connecting).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(tcp) => return secure(tcp, target, tls).await,
            Err(error) => last = error,
        }
    }
    if last.kind() == io::ErrorKind::TimedOut {
        return Err(EgressError::TimedOut);
    }
    Err(EgressError::Failed(format!("cannot connect to `{}`: {last}", target.origin())))
}

async fn secure(
    tcp: TcpStream,
    target: &Target,
    tls: &Arc<ClientConfig>,
) -> Result<Box<dyn Wire>, EgressError> {
    let failed = |error: String| {
        EgressError::Failed(format!("cannot trust the connection to `{}`: {error}", target.origin()))
    };
    // A request and its body are two writes; Nagle would hold the second back.
    tcp.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    if target.scheme() == Scheme::Http {
        return Ok(Box::new(tcp));
    }
    let name = match (target.host(), target.address()) {
        (Host::Domain(name), _) => {
            ServerName::try_from(name.clone()).map_err(|error| failed(error.to_string()))?
        }
        (_, Some(address)) => ServerName::from(address),
        (_, None) => return Err(failed("it has no name".into())),
    };
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| failed(error.to_string()))?))
}
