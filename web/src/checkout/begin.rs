//! One payment begun, by page or by API: the checkout is opened and committed, then Stripe is asked for an intent under the
//! committed key (at most ten seconds, the one vendor call a request may wait for), then the intent is recorded. Whatever is
//! killed in between, pressing the button again takes up the same checkout and the same key.

use crate::{App, Error, auth::Viewer};
use mywork::{
    db::Actor,
    ids::{CheckoutId, OrderId, ProductId},
    money::Cents,
    orders::{
        commission::CommissionError,
        intent,
        open::{self, IntentCall, Next, OpenError},
    },
};
use mywork_vendors::stripe::NewPaymentIntent;

/// A checkout ready to be paid, or paid.
pub(crate) struct Ready {
    pub checkout: CheckoutId,
    pub order: OrderId,
    pub order_number: String,
    pub amount: Cents,
    /// `None`: it cost nothing and is paid.
    pub client_secret: Option<String>,
}

/// Why no payment was begun.
pub(crate) enum Refused {
    /// A rule speaks against it.
    Rule(OpenError),
    /// Stripe did not do its part; a sentence for the buyer.
    Provider(&'static str),
    Other(Error),
}

impl From<mywork::db::Error> for Refused {
    fn from(error: mywork::db::Error) -> Self {
        Refused::Other(error.into())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rule(rule) => rule.into(),
            Refused::Provider(sentence) => Error::Upstream(sentence.into()),
            Refused::Other(error) => error,
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::ProductNotFound => Error::NotFound("product"),
            OpenError::AlreadyOwned(ref held) => {
                Error::Conflict(format!("{error} Download it at /library/orders/{}.", held.order))
            }
            OpenError::NotForSale
            | OpenError::OwnProduct
            | OpenError::Closed
            | OpenError::Commission(CommissionError::BundleHasNoRate) => Error::Conflict(error.to_string()),
            OpenError::LicenceNotOffered(_) | OpenError::TooSmallForACard(_) => Error::invalid("license_type", error.to_string()),
            OpenError::Database(error) | OpenError::Commission(CommissionError::Database(error)) => error.into(),
            OpenError::Commission(_) | OpenError::Settle(_) | OpenError::Queue(_) => Error::Internal(error.into()),
        }
    }
}

/// Opens a checkout, or takes up the open one, up to the point where the browser can pay.
pub(crate) async fn begin(
    app: &App,
    viewer: &Viewer,
    product: ProductId,
    licence: mywork::catalog::licence::LicenceKind,
) -> Result<Ready, Refused> {
    let mut tx = app.db.begin(Actor::System).await?;
    let opened = open::open(&mut tx, viewer.id, product, licence, app.now()).await.map_err(Refused::Rule)?;
    tx.commit().await?;
    if opened.fresh {
        metrics::counter!("orders_total", "status" => "pending").increment(1);
    }
    let client_secret = match opened.next {
        Next::Paid => None,
        Next::Pay { client_secret } => Some(client_secret),
        Next::CreateIntent(call) => Some(create_intent(app, opened.checkout, call).await?),
    };
    Ok(Ready {
        checkout: opened.checkout,
        order: opened.order,
        order_number: opened.order_number,
        amount: opened.amount,
        client_secret,
    })
}

async fn create_intent(app: &App, checkout: CheckoutId, call: IntentCall) -> Result<String, Refused> {
    let request = NewPaymentIntent {
        amount: call.request.amount_cents.0,
        currency: call.request.currency,
        metadata: call.request.metadata.into_iter().collect(),
        transfer_group: Some(call.request.transfer_group),
        // Stripe would send a receipt of its own; the buyer gets one, ours.
        receipt_email: None,
        description: Some(call.request.description),
    };
    let answer = app.stripe.create_payment_intent(&request, &call.idempotency_key).await;
    let now = app.now();
    let mut tx = app.db.begin(Actor::System).await?;
    match answer {
        Ok(intent) => {
            intent::record_intent(&mut tx, checkout, call.command, &intent.id, &intent.client_secret, now)
                .await
                .map_err(Refused::Rule)?;
            tx.commit().await?;
            Ok(intent.client_secret)
        }
        // The intent may exist: the command stays pending, and the next press repeats the call with the same key.
        Err(error) if error.is_retryable() => {
            tracing::warn!(%checkout, %error, "no answer to create_payment_intent");
            Err(Refused::Provider("The payment provider did not answer. Nothing was charged. Try again."))
        }
        Err(error) => {
            tracing::error!(%checkout, %error, "create_payment_intent was refused");
            intent::record_refusal(&mut tx, call.command, &error.to_string(), now).await?;
            tx.commit().await?;
            Err(Refused::Provider("The payment provider refused this payment. Nothing was charged. Try again in a moment."))
        }
    }
}
