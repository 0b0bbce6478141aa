//! Devices on which a licence's key is active (ORDER-03). A program sends the key it was given and a fingerprint of its machine;
//! knowing the key is all the right it needs, so these acts run in the system's transaction. A licence has as many seats as its
//! kind says (`LicenceKind::seats`); [`activate`] counts them under the licence's lock, so that the last seat is taken once.
//!
//! A key that is unknown, was replaced or belongs to a revoked licence is the same to whoever sends it: there is no such key.

use super::licence::{self, Licence};
use crate::{
    catalog::licence::LicenceKind,
    ids::{ActivationId, LicenceId, OrderId, ProductId, UserId},
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Longest fingerprint, in characters.
const MAX_FINGERPRINT: usize = 200;
/// Longest name of a device, in characters.
const MAX_NAME: usize = 100;
/// Devices a buyer is shown at once, those seen last first.
const SHOWN: i64 = 100;

/// A machine as a program describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    fingerprint: String,
    name: String,
}

/// What of a device's description cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("Send 1 to 200 printable characters that identify this device and stay the same on it.")]
    Fingerprint,
    #[error("Name the device in at most 100 printable characters.")]
    Name,
}

impl Device {
    /// # Errors
    /// See [`DeviceError`].
    pub fn new(fingerprint: &str, name: &str) -> Result<Self, DeviceError> {
        let (fingerprint, name) = (fingerprint.trim(), name.trim());
        let printable = |text: &str| !text.chars().any(char::is_control);
        if fingerprint.is_empty() || fingerprint.chars().count() > MAX_FINGERPRINT || !printable(fingerprint) {
            return Err(DeviceError::Fingerprint);
        }
        if name.chars().count() > MAX_NAME || !printable(name) {
            return Err(DeviceError::Name);
        }
        Ok(Self { fingerprint: fingerprint.into(), name: name.into() })
    }
}

/// A device that holds a seat.
#[derive(Clone, Debug)]
pub struct Activation {
    pub id: ActivationId,
    /// Its fingerprint.
    pub device: String,
    /// Empty when the program gave none.
    pub name: String,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

/// How many devices there are, and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    pub used: i64,
    /// `None`: any number.
    pub limit: Option<i64>,
}

/// What a program learns about the key it holds: enough to know that the key is for this product, and nothing about its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub product: ProductId,
    pub kind: LicenceKind,
    /// `None`: always.
    pub updates_until: Option<DateTime<Utc>>,
    pub seats: Seats,
    /// Whether the device that asks holds a seat; `None` where it did not name itself.
    pub is_activated: Option<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The same sentence for every key that opens nothing.
    #[error("No active licence has this key. Check it against the order in your library.")]
    UnknownKey,
    #[error(
        "All seats of this licence are taken ({limit} of {limit}). Deactivate it on another device, or release one in your library."
    )]
    NoSeat { limit: i64 },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Gives the device a seat, or finds that it has one. A program may do so at every start.
///
/// # Errors
/// See [`ActivationError`]; nothing is written then.
pub async fn activate(conn: &mut PgConnection, key: &str, device: &Device, now: DateTime<Utc>) -> Result<Terms, ActivationError> {
    let licence = licence::lock_of_key(conn, key).await?.ok_or(ActivationError::UnknownKey)?;
    let others = count(conn, licence.id, Some(&device.fingerprint)).await?;
    if let Some(limit) = licence.kind.seats().filter(|limit| others >= *limit) {
        return Err(ActivationError::NoSeat { limit });
    }
    sqlx::query!(
        "INSERT INTO licence_activations AS a (id, licence_id, device, name, first_seen_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT ON CONSTRAINT licence_activations_device_key DO UPDATE
            SET name = coalesce(nullif(EXCLUDED.name, ''), a.name),
                first_seen_at = CASE WHEN a.released_at IS NULL THEN a.first_seen_at ELSE EXCLUDED.first_seen_at END,
                last_seen_at = EXCLUDED.last_seen_at,
                released_at = NULL",
        ActivationId::new() as ActivationId,
        licence.id as LicenceId,
        device.fingerprint,
        device.name,
        now,
    )
    .execute(conn)
    .await?;
    Ok(terms(&licence, others + 1, Some(true)))
}

/// Gives the device's seat back. A device that holds none is as it should be.
///
/// # Errors
/// [`ActivationError::UnknownKey`], and when the database refuses.
pub async fn deactivate(
    conn: &mut PgConnection,
    key: &str,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Terms, ActivationError> {
    let licence = licence::lock_of_key(conn, key).await?.ok_or(ActivationError::UnknownKey)?;
    sqlx::query!(
        "UPDATE licence_activations
            SET released_at = $3,
                last_seen_at = $3
          WHERE licence_id = $1
            AND device = $2
            AND released_at IS NULL",
        licence.id as LicenceId,
        device.fingerprint,
        now,
    )
    .execute(&mut *conn)
    .await?;
    let used = count(conn, licence.id, None).await?;
    Ok(terms(&licence, used, Some(false)))
}

/// What the key stands for, or `None` where it stands for nothing. A device that names itself has been seen.
///
/// # Errors
/// When the database refuses.
pub async fn validate(
    conn: &mut PgConnection,
    key: &str,
    device: Option<&Device>,
    now: DateTime<Utc>,
) -> Result<Option<Terms>, sqlx::Error> {
    let Some(licence) = licence::of_key(conn, key).await? else { return Ok(None) };
    let is_activated = match device {
        Some(device) => Some(seen(conn, licence.id, device, now).await?),
        None => None,
    };
    let used = count(conn, licence.id, None).await?;
    Ok(Some(terms(&licence, used, is_activated)))
}

/// The devices that hold a seat, those seen last first.
///
/// # Errors
/// When the database refuses.
pub async fn of_licence(conn: &mut PgConnection, licence: LicenceId) -> Result<Vec<Activation>, sqlx::Error> {
    sqlx::query_as!(
        Activation,
        r#"SELECT id AS "id: ActivationId",
                  device,
                  name,
                  first_seen_at,
                  last_seen_at
             FROM licence_activations
            WHERE licence_id = $1
              AND released_at IS NULL
            ORDER BY last_seen_at DESC, id DESC
            LIMIT $2"#,
        licence as LicenceId,
        SHOWN,
    )
    .fetch_all(conn)
    .await
}

/// Seats taken and seats there are.
///
/// # Errors
/// When the database refuses.
pub async fn seats(conn: &mut PgConnection, licence: &Licence) -> Result<Seats, sqlx::Error> {
    Ok(Seats { used: count(conn, licence.id, None).await?, limit: licence.kind.seats() })
}

/// The buyer takes a device's seat back. `false`: none of their devices on this order has this id.
///
/// # Errors
/// When the database refuses.
pub async fn release(
    conn: &mut PgConnection,
    owner: UserId,
    order: OrderId,
    activation: ActivationId,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    // Twice is once: a device that was released before is found, and keeps the time of its release.
    let found = sqlx::query!(
        "UPDATE licence_activations a
            SET released_at = coalesce(a.released_at, $4)
           FROM licences l
          WHERE a.id = $1
            AND l.id = a.licence_id
            AND l.order_id = $2
            AND l.owner_id = $3",
        activation as ActivationId,
        order as OrderId,
        owner as UserId,
        now,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(found == 1)
}

/// Takes back every seat: the key they were given for is no more.
pub(super) async fn release_all(conn: &mut PgConnection, licence: LicenceId, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE licence_activations SET released_at = $2 WHERE licence_id = $1 AND released_at IS NULL",
        licence as LicenceId,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Seats taken, not counting the one of `except`.
async fn count(conn: &mut PgConnection, licence: LicenceId, except: Option<&str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
             FROM licence_activations
            WHERE licence_id = $1
              AND released_at IS NULL
              AND device IS DISTINCT FROM $2"#,
        licence as LicenceId,
        except,
    )
    .fetch_one(conn)
    .await
}

async fn seen(conn: &mut PgConnection, licence: LicenceId, device: &Device, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let seen = sqlx::query!(
        "UPDATE licence_activations
            SET last_seen_at = greatest(last_seen_at, $3)
          WHERE licence_id = $1
            AND device = $2
            AND released_at IS NULL",
        licence as LicenceId,
        device.fingerprint,
        now,
    )
    .execute(conn)
    .await?;
    Ok(seen.rows_affected() == 1)
}

fn terms(licence: &Licence, used: i64, is_activated: Option<bool>) -> Terms {
    Terms {
        product: licence.product_id,
        kind: licence.kind,
        updates_until: licence.updates_until,
        seats: Seats { used, limit: licence.kind.seats() },
        is_activated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_fingerprint_and_perhaps_a_name() {
        assert!(Device::new(" 4c4c4544-0042 ", "").is_ok_and(|d| d.fingerprint == "4c4c4544-0042"));
        assert_eq!(Device::new(" ", "laptop"), Err(DeviceError::Fingerprint));
        assert_eq!(Device::new("a\0b", "laptop"), Err(DeviceError::Fingerprint));
        assert_eq!(Device::new(&"x".repeat(201), ""), Err(DeviceError::Fingerprint));
        assert_eq!(Device::new("x", &"n".repeat(101)), Err(DeviceError::Name));
    }
}
