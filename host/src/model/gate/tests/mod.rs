mod compare;
mod judge;
mod keep;
mod page;
