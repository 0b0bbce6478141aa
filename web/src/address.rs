//! Where a request comes from. Only a trusted proxy's word is taken for it: `X-Forwarded-For` is read from the right, past
//! every trusted proxy, and the first address that is not one of them is the client's. What stands further left anybody
//! could have written.

use axum::extract::{ConnectInfo, Request};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The client's address, in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Whom to count: the address, or of IPv6 the /64 network that one household or machine is given.
    pub fn subject(self) -> String {
        match self.0 {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => v4.to_string(),
                None => format!("{}/64", Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
            },
        }
    }
}

/// The client's address as the connection and trusted proxies tell it.
pub fn of(request: &Request, trusted: &[IpAddr]) -> ClientAddress {
    let forwarded = request.headers().get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    ClientAddress(client(peer(request), forwarded, trusted))
}

/// The request id a trusted proxy gave, if it is a plain word.
pub fn forwarded_id(request: &Request, trusted: &[IpAddr]) -> Option<String> {
    let id = request.headers().get("x-request-id")?.to_str().ok()?;
    let plain = (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (plain && trusted.contains(&peer(request))).then(|| id.to_owned())
}

fn peer(request: &Request) -> IpAddr {
    let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
    socket.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(socket)| socket.ip().to_canonical())
}

fn client<'a>(peer: IpAddr, forwarded: impl Iterator<Item = &'a str>, trusted: &[IpAddr]) -> IpAddr {
    let hops: Vec<&str> = forwarded.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        if !trusted.contains(&client) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().expect("an address")
    }

    #[test]
    fn a_strangers_header_is_not_believed() {
        assert_eq!(client(ip("203.0.113.9"), ["10.0.0.1"].into_iter(), &[ip("10.0.0.2")]), ip("203.0.113.9"));
    }

    #[test]
    fn the_last_address_before_the_trusted_proxies_is_the_clients() {
        let trusted = [ip("10.0.0.2"), ip("10.0.0.3")];
        assert_eq!(client(ip("10.0.0.2"), ["6.6.6.6, 198.51.100.7, 10.0.0.3"].into_iter(), &trusted), ip("198.51.100.7"));
        assert_eq!(client(ip("10.0.0.2"), ["6.6.6.6", "198.51.100.7"].into_iter(), &trusted), ip("198.51.100.7"));
        assert_eq!(client(ip("10.0.0.2"), ["nonsense"].into_iter(), &trusted), ip("10.0.0.2"));
    }

    #[test]
    fn an_ipv6_household_is_one_subject() {
        assert_eq!(ClientAddress(ip("2001:db8:1:2:3:4:5:6")).subject(), "2001:db8:1:2::/64");
        assert_eq!(ClientAddress(ip("192.0.2.1")).subject(), "192.0.2.1");
    }
}
