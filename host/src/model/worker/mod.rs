//! Processes of this very program that do for a model what might take its host down: drivers that crash, graphs
//! that take all memory. The host's side is [`Process`], the other one [`serve`]; between them travel
//! [`Message`]s over standard input and output. Knows nothing of what is asked.

mod message;
mod process;
mod serve;

pub(in crate::model) use message::{Kind, Message};
pub(in crate::model) use process::{Environment, Process, Refusal, Word, Worker};
pub(in crate::model) use serve::{Answers, serve, short};
