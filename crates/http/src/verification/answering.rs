//! An answer of the entrance, as the listener waits for it.
//!
//! Nearly all that is asked is answered from memory, so nothing is set up that could wait: no allocation, no
//! timer. What does have to wait is boxed.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use axum::response::Response;
use http::Request;

use crate::answer::{Kind, finish};
use crate::answer_body::AnswerBody;
use crate::body::BodyFault;
use crate::layers::{caught, told_of_panic};
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::introspection;

/// See the module.
pub struct Answering<B>(Step<B>);

enum Step<B> {
    /// At hand; `None` once it was taken.
    Known(Option<Response<AnswerBody>>),
    /// At hand as soon as the body is, which mostly has come with its head.
    Introspection(Option<Introspection<B>>),
    /// In a while.
    Later(Later),
}

type Later = Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>;

/// An introspection whose body nobody has looked at yet.
struct Introspection<B> {
    state: HttpState,
    connection: Connection,
    request: Request<B>,
}

impl<B> Answering<B> {
    /// An answer that is at hand.
    pub(super) const fn known(response: Response<AnswerBody>) -> Self {
        Self(Step::Known(Some(response)))
    }

    /// An answer in a while, by somebody who catches panics himself.
    pub fn later(work: impl Future<Output = Response<AnswerBody>> + Send + 'static) -> Self {
        Self(Step::Later(Box::pin(work)))
    }

    /// An answer in a while. A connection of HTTP/2 carries the questions of many: a panic must not tear it
    /// down for the others.
    pub(super) fn guarded<F>(
        state: HttpState,
        kind: Kind,
        work: impl FnOnce(HttpState) -> F,
    ) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let work = work(state.clone());
        Self::later(async move {
            match caught(work).await {
                Ok(response) => response.map(AnswerBody::from),
                Err(payload) => {
                    finish(&state.ctx, told_of_panic(kind, &*payload)).map(AnswerBody::from)
                }
            }
        })
    }

    /// The answer to an introspection.
    pub(super) const fn introspection(
        state: HttpState,
        connection: Connection,
        request: Request<B>,
    ) -> Self {
        Self(Step::Introspection(Some(Introspection { state, connection, request })))
    }
}

impl<B> Introspection<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    /// Looks at the first piece of the body. If it is the whole, memory mostly knows the answer.
    fn look(mut self, cx: &mut Context<'_>) -> Answering<B> {
        let first = match Pin::new(self.request.body_mut()).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Poll::Ready(Some(Err(_))) => {
                let told = introspection::not_read(BodyFault::Broken);
                return Answering::known(told.map(AnswerBody::from));
            }
            Poll::Ready(None) | Poll::Pending => Bytes::new(),
        };
        let whole = self.request.body().is_end_stream()
            && introspection::fits(first.len())
            && introspection::check(self.request.headers()).is_ok();
        if whole { self.answer(first) } else { self.go_on_reading(first) }
    }

    fn answer(self, body: Bytes) -> Answering<B> {
        let Self { state, connection, request } = self;
        let headers = request.headers();
        match introspection::answer_at_once(&state, connection, headers, &body) {
            Some(response) => Answering::known(response),
            None => Answering::guarded(state, Kind::OAuth, async move |state| {
                let headers = request.into_parts().0.headers;
                introspection::answer_whole(&state, connection, &headers, &body).await
            }),
        }
    }

    fn go_on_reading(self, first: Bytes) -> Answering<B> {
        let Self { state, connection, request } = self;
        Answering::guarded(state, Kind::OAuth, async move |state| {
            introspection::answer(&state, connection, request, first).await
        })
    }
}

impl<B> Future for Answering<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    type Output = Response<AnswerBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Step::Introspection(asked) = &mut self.0 {
            let asked = asked.take().expect("it is looked at once");
            *self = catch_unwind(AssertUnwindSafe(|| asked.look(cx))).unwrap_or_else(|payload| {
                Self::known(told_of_panic(Kind::OAuth, &*payload).map(AnswerBody::from))
            });
        }
        match &mut self.0 {
            Step::Known(response) => Poll::Ready(response.take().expect("an answer is taken once")),
            Step::Later(work) => work.as_mut().poll(cx),
            Step::Introspection(_) => unreachable!("it was looked at"),
        }
    }
}

impl<B> fmt::Debug for Answering<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering(..)")
    }
}
