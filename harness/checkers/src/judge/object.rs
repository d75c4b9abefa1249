//! One object of whichever model is asked about, as one type: the checkers are then compiled once for all models, not once for each.

use crate::{
    formats::Datum,
    model::{Call, Model, Monitored, Strand},
    models::{self, Counter, KeyValue, Mutex, Register},
};

/// An operation's answer or state that belongs to another model than the object's.
const MIXED: &str = "all calls on an object are those of its model";

macro_rules! objects {
    ($($name:ident($model:ty),)*) => {
        /// The object.
        pub(super) enum Object {
            $($name($model),)*
        }

        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub(super) enum State {
            $($name(<$model as Model>::State),)*
        }

        #[derive(PartialEq, Eq, Hash, Debug)]
        pub(super) enum Input {
            $($name(<$model as Model>::Input),)*
        }

        #[derive(PartialEq, Eq, Hash, Debug)]
        pub(super) enum Output {
            $($name(<$model as Model>::Output),)*
        }

        impl Object {
            fn state(&self) -> State {
                match self {
                    $(Object::$name(model) => State::$name(model.initial()),)*
                }
            }

            fn after(&self, state: &State, input: &Input, output: Option<&Output>) -> Option<State> {
                match (self, state, input) {
                    $((Object::$name(model), State::$name(state), Input::$name(input)) => {
                        model.apply(state, input, part!(Output::$name, output)).map(State::$name)
                    })*
                    _ => unreachable!("{MIXED}"),
                }
            }

            fn only_reads(&self, input: &Input, output: Option<&Output>) -> bool {
                match (self, input) {
                    $((Object::$name(model), Input::$name(input)) => {
                        model.reads_only(input, part!(Output::$name, output))
                    })*
                    _ => unreachable!("{MIXED}"),
                }
            }

            fn may_go(&self, calls: &[Call<'_, Keyed, Output>]) -> Vec<Strand> {
                match self {
                    $(Object::$name(model) => model.strands(&parts!($name, calls)),)*
                }
            }

            fn monitored(&self, calls: &[Call<'_, Keyed, Output>]) -> Option<Monitored> {
                match self {
                    $(Object::$name(model) => model.monitor(&parts!($name, calls)),)*
                }
            }

            fn bytes(&self, state: &State) -> usize {
                match (self, state) {
                    $((Object::$name(model), State::$name(state)) => model.weight(state),)*
                    _ => unreachable!("{MIXED}"),
                }
            }

            fn called(&self) -> &'static str {
                match self {
                    $(Object::$name(model) => model.name(),)*
                }
            }

            fn say(&self, input: &Input, output: Option<&Output>) -> String {
                match (self, input) {
                    $((Object::$name(model), Input::$name(input)) => {
                        model.describe(input, part!(Output::$name, output))
                    })*
                    _ => unreachable!("{MIXED}"),
                }
            }

            fn say_state(&self, state: &State) -> String {
                match (self, state) {
                    $((Object::$name(model), State::$name(state)) => model.describe_state(state),)*
                    _ => unreachable!("{MIXED}"),
                }
            }

            fn refuse(&self, state: &State, input: &Input, output: Option<&Output>) -> String {
                match (self, state, input) {
                    $((Object::$name(model), State::$name(state), Input::$name(input)) => {
                        model.refusal(state, input, part!(Output::$name, output))
                    })*
                    _ => unreachable!("{MIXED}"),
                }
            }
        }
    };
}

/// What a model's own operations see of an answer.
macro_rules! part {
    ($kind:ident::$name:ident, $output:expr) => {
        $output.map(|output| match output {
            $kind::$name(output) => output,
            _ => unreachable!("{MIXED}"),
        })
    };
}

/// The calls as a model sees its own.
macro_rules! parts {
    ($name:ident, $calls:expr) => {
        $calls
            .iter()
            .map(|call| Call {
                input: match &call.input.1 {
                    Input::$name(input) => input,
                    _ => unreachable!("{MIXED}"),
                },
                output: part!(Output::$name, call.output),
                invoked: call.invoked,
                returned: call.returned,
            })
            .collect::<Vec<_>>()
    };
}

objects! {
    Register(Register<Datum>),
    KeyValue(KeyValue),
    Set(models::Set<Datum>),
    WholeSet(models::WholeSet<Datum>),
    Queue(models::Queue<Datum>),
    Stack(models::Stack<Datum>),
    PriorityQueue(models::PriorityQueue<Datum>),
    Counter(Counter),
    Mutex(Mutex),
}

/// What is asked, of the object under a key if there are several.
pub(super) type Keyed = (Option<Datum>, Input);

impl Model for Object {
    type State = State;
    type Input = Keyed;
    type Output = Output;
    type Key = Datum;

    fn initial(&self) -> State {
        self.state()
    }

    fn apply(&self, state: &State, input: &Keyed, output: Option<&Output>) -> Option<State> {
        self.after(state, &input.1, output)
    }

    fn key(&self, input: &Keyed) -> Option<Datum> {
        input.0.clone()
    }

    fn reads_only(&self, input: &Keyed, output: Option<&Output>) -> bool {
        self.only_reads(&input.1, output)
    }

    fn strands(&self, calls: &[Call<'_, Keyed, Output>]) -> Vec<Strand> {
        self.may_go(calls)
    }

    fn monitor(&self, calls: &[Call<'_, Keyed, Output>]) -> Option<Monitored> {
        self.monitored(calls)
    }

    fn weight(&self, state: &State) -> usize {
        // The state itself is as large as the largest of them.
        size_of::<State>() + self.bytes(state)
    }

    fn name(&self) -> &'static str {
        self.called()
    }

    fn describe(&self, input: &Keyed, output: Option<&Output>) -> String {
        self.say(&input.1, output)
    }

    fn describe_state(&self, state: &State) -> String {
        self.say_state(state)
    }

    fn refusal(&self, state: &State, input: &Keyed, output: Option<&Output>) -> String {
        self.refuse(state, &input.1, output)
    }
}
