//! `orders.fulfil`: a paid order is delivered. Everything it does lies in one transaction of the domain (receipt and sale notice
//! queued, sale counted, state moved), so a run that is killed has done nothing, and a second run finds nothing to do.

use crate::Context;
use mywork::{
    db::Actor,
    orders::{
        fulfil::{self, CompleteError, Completed},
        jobs::Fulfil,
        timeline::By,
    },
};
use mywork_queue::{Failure, Job, Outcome};

pub async fn run(job: Fulfil, cx: Context) -> mywork_queue::Result {
    let by = By { job: cx.job, kind: Fulfil::KIND };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let completed = match fulfil::complete(&mut tx, job.order, Some(by), cx.clock.now()).await {
        Err(CompleteError::UnknownOrder) => return Err(Failure::dead(format!("there is no order {}", job.order))),
        other => other?,
    };
    tx.commit().await?;
    match completed {
        // After the commit: a process killed here loses a count, never counts an order twice.
        Completed::Delivered(amount) => {
            metrics::counter!("orders_total", "status" => "fulfilled").increment(1);
            #[expect(clippy::cast_precision_loss, reason = "a histogram of dollars; the books are kept in cents elsewhere")]
            metrics::histogram!("order_amount_dollars").record(amount.0 as f64 / 100.0);
            cx.log(format_args!("order {} delivered", job.order));
        }
        Completed::Unchanged(state) => {
            cx.log(format_args!("order {} is {}; nothing to do", job.order, state.as_str()));
        }
    }
    Ok(Outcome::Done)
}
