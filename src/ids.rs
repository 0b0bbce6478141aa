//! Identifiers, one type per thing, so that an order's id cannot be passed where a product's is meant. All are UUIDv7:
//! they sort by time of creation, which keeps indexes compact and keyset paging simple.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, later than every id made before it on this machine.
            #[expect(clippy::new_without_default, reason = "a new id is an event, not a default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A person.
    UserId;
    /// A signed-in browser or client.
    SessionId;
    /// Somebody who says they have forgotten their password.
    ResetRequestId;
    /// What is listed.
    ProductId;
    /// One released package of a product.
    VersionId;
    /// A picture of a product.
    ImageId;
    /// A file on its way into storage.
    UploadId;
    /// A branch of the catalogue.
    CategoryId;
    /// One payment by one buyer.
    CheckoutId;
    /// One line of a checkout.
    OrderId;
    /// What an order gives.
    LicenceId;
    /// A device on which a licence's key was entered.
    ActivationId;
    /// What a buyer thinks of it.
    ReviewId;
    /// One message we mean to send.
    EmailId;
    /// A webhook as it came.
    WebhookEventId;
    /// A call to a vendor.
    CommandId;
}
