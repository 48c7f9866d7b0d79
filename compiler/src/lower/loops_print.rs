//! How a loop nest prints: the text of the stage `loops`.
//!
//! Loop variables are `t0, t1, ..` (the grid's coordinates come first), buffers `b0, b1, ..`; `p` and `c` are the pixel and
//! the channel of a map.

use super::expression::Expression;
use super::loops::{Address, Affine, Base, Effect, Element, Fold, Load, Map, Nest, Statement, Var};
use rnet_runtime::program::{Pairing, TransformShape};
use std::fmt::{Display, Formatter, Result};

impl Display for Var {
    fn fmt(&self, f: &mut Formatter) -> Result {
        write!(f, "t{}", self.0)
    }
}

impl Display for Affine {
    fn fmt(&self, f: &mut Formatter) -> Result {
        let mut first = true;
        let mut term = |f: &mut Formatter, value: i64, name: Option<Var>| {
            match (first, value < 0) {
                (true, true) => write!(f, "-")?,
                (true, false) => {}
                (false, true) => write!(f, " - ")?,
                (false, false) => write!(f, " + ")?,
            }
            first = false;
            match (value.unsigned_abs(), name) {
                (1, Some(var)) => write!(f, "{var}"),
                (size, Some(var)) => write!(f, "{size}*{var}"),
                (size, None) => write!(f, "{size}"),
            }
        };
        for &(var, coefficient) in &self.terms {
            term(f, coefficient, Some(var))?;
        }
        if self.constant != 0 || self.terms.is_empty() {
            term(f, self.constant, None)?;
        }
        Ok(())
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter) -> Result {
        match self {
            Base::Buffer(k) => write!(f, "b{k}"),
            Base::Scratch => write!(f, "scratch"),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter) -> Result {
        write!(f, "{}[{}]", self.base, self.offset)
    }
}

/// An address that moves with the pixel and the channel.
fn moving(f: &mut Formatter, address: &Address, pixel_stride: i64, channel_stride: i64) -> Result {
    write!(f, "{}[{}", address.base, address.offset)?;
    for (stride, name) in [(pixel_stride, "p"), (channel_stride, "c")] {
        let sign = if stride < 0 { '-' } else { '+' };
        match stride.unsigned_abs() {
            0 => {}
            1 => write!(f, " {sign} {name}")?,
            size => write!(f, " {sign} {size}*{name}")?,
        }
    }
    write!(f, "]")
}

impl Display for Load {
    fn fmt(&self, f: &mut Formatter) -> Result {
        let (count, stride) = self.partials;
        if count > 1 {
            write!(f, "sum {count} by {stride} of ")?;
        }
        moving(f, &self.address, self.pixel_stride, self.channel_stride)?;
        match self.element {
            Element::F32 => Ok(()),
            Element::I32 => write!(f, " as i32"),
            Element::Bf16 => write!(f, " as bf16"),
        }
    }
}

impl Display for Fold {
    fn fmt(&self, f: &mut Formatter) -> Result {
        write!(f, "{}", if *self == Fold::Sum { "sum" } else { "max" })
    }
}

impl Map {
    fn print_step(&self, f: &mut Formatter, step: Expression) -> Result {
        use Expression as E;
        match step {
            E::Load(k) => write!(f, "{}", self.loads[k]),
            E::Constant(value) => write!(f, "{value:?}"),
            E::Add(a, b) => write!(f, "v{} + v{}", a.0, b.0),
            E::Sub(a, b) => write!(f, "v{} - v{}", a.0, b.0),
            E::Mul(a, b) => write!(f, "v{} * v{}", a.0, b.0),
            E::Div(a, b) => write!(f, "v{} / v{}", a.0, b.0),
            E::MulAdd(a, b, c) => write!(f, "v{} * v{} + v{}", a.0, b.0, c.0),
            E::Min(a, b) => write!(f, "min(v{}, v{})", a.0, b.0),
            E::Max(a, b) => write!(f, "max(v{}, v{})", a.0, b.0),
            E::Neg(a) => write!(f, "-v{}", a.0),
            E::Abs(a) => write!(f, "abs(v{})", a.0),
            E::Sqrt(a) => write!(f, "sqrt(v{})", a.0),
            E::Floor(a) => write!(f, "floor(v{})", a.0),
            E::Exp(a) => write!(f, "exp(v{})", a.0),
            E::Log(a) => write!(f, "log(v{})", a.0),
            E::Tanh(a) => write!(f, "tanh(v{})", a.0),
            E::Erf(a) => write!(f, "erf(v{})", a.0),
            E::Greater(a, b) => write!(f, "v{} > v{}", a.0, b.0),
            E::Equal(a, b) => write!(f, "v{} == v{}", a.0, b.0),
            E::Select(a, b, c) => write!(f, "v{} != 0 ? v{} : v{}", a.0, b.0, c.0),
            E::Channel => write!(f, "c"),
            E::Uniform { seed, stream } => {
                write!(f, "uniform(v{}, {stream}, {} + {}*p + c)", seed.0, self.counter, self.counter_pixel)
            }
        }
    }

    fn print(&self, f: &mut Formatter, indent: usize) -> Result {
        writeln!(f, "{:indent$}map p < {}, c < {} {{", "", self.pixels, self.channels)?;
        for (k, &step) in self.steps.iter().enumerate() {
            write!(f, "{:indent$}  v{k} = ", "")?;
            self.print_step(f, step)?;
            writeln!(f)?;
        }
        for effect in &self.effects {
            write!(f, "{:indent$}  ", "")?;
            match effect {
                Effect::Store { value, address, pixel_stride, channel_stride, element } => {
                    if *element == Element::Bf16 {
                        write!(f, "bf16 ")?;
                    }
                    moving(f, address, *pixel_stride, *channel_stride)?;
                    writeln!(f, " = v{}", value.0)?;
                }
                Effect::FoldPixels { value, fold, address } => {
                    moving(f, address, 0, 1)?;
                    writeln!(f, " {fold}= v{}", value.0)?;
                }
                Effect::FoldAll { value, fold, address } => writeln!(f, "{address} {fold}= v{}", value.0)?,
            }
        }
        writeln!(f, "{:indent$}}}", "")
    }
}

fn print_statements(f: &mut Formatter, nest: &Nest, statements: &[Statement], indent: usize) -> Result {
    for statement in statements {
        match statement {
            Statement::For { var, extent, limit, body } => {
                write!(f, "{:indent$}for {var} < {extent}", "")?;
                if let Some((value, limit)) = limit {
                    write!(f, " while {value} < {limit}")?;
                }
                writeln!(f, " {{")?;
                print_statements(f, nest, body, indent + 2)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Statement::If { value, low, high, then, otherwise } => {
                writeln!(f, "{:indent$}if {low} <= {value} < {high} {{", "")?;
                print_statements(f, nest, then, indent + 2)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{:indent$}}} else {{", "")?;
                    print_statements(f, nest, otherwise, indent + 2)?;
                }
                writeln!(f, "{:indent$}}}", "")?;
            }
            Statement::Fill { address, len, value } => {
                writeln!(f, "{:indent$}fill {address} {len} with {value:?}", "")?;
            }
            Statement::Gemm { shape, a, b, c } => {
                let sign = if nest.gemms[*shape].accumulate { "+=" } else { "=" };
                writeln!(f, "{:indent$}{c} {sign} gemm{shape} {a} {b}", "")?;
            }
            Statement::Transform { shape, from, between, to } => {
                let TransformShape { transform, rows, columns, channels, width, apart, pairing } = shape;
                let paired = match pairing {
                    Pairing::None => "",
                    Pairing::Channels => ", bf16 in pairs of channels",
                    Pairing::Tiles => ", bf16 in pairs of tiles",
                };
                writeln!(
                    f,
                    "{:indent$}{to} = {transform:?} of {rows}x{columns} tiles, {channels} channels, width {width}, apart {apart}{paired} {from} by {between}",
                    ""
                )?;
            }
            Statement::Round { len, from, to } => {
                writeln!(f, "{:indent$}{to} = {len} as bf16 in pairs of neighbours {from}", "")?
            }
            Statement::Pack { rows, len, from, to } => writeln!(
                f,
                "{:indent$}{} = {rows}x{len} as bf16 in pairs of rows, apart {} {} apart {}",
                "", to.0, to.1, from.0, from.1
            )?,
            Statement::Map(map) => map.print(f, indent)?,
        }
    }
    Ok(())
}

impl Display for Nest {
    fn fmt(&self, f: &mut Formatter) -> Result {
        let contracted = if self.contracted { " contracted" } else { "" };
        writeln!(f, "nest {:?} buffers {} scratch {}{contracted} {{", self.grid, self.buffers, self.scratch)?;
        for (k, gemm) in self.gemms.iter().enumerate() {
            writeln!(
                f,
                "  gemm{k}: {}{} {}x{}x{} a [{}, {}] b [{}, 1] c [{}, 1] batch {:?}",
                gemm.precision.name(),
                if gemm.paired { " pairs" } else { "" },
                gemm.m,
                gemm.n,
                gemm.k,
                gemm.a_m,
                gemm.a_k,
                gemm.b_k,
                gemm.c_m,
                gemm.batch
            )?;
        }
        print_statements(f, self, &self.body, 2)?;
        writeln!(f, "}}")
    }
}
