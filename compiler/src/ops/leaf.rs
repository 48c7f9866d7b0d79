//! What the leaves share: the attributes `name`, `dims` and `element`, and the type that they spell out.

use super::check::{self, Checked};
use super::{Attributes, Lowering, Op, OpError, TensorType};
use crate::graph::{Attribute, ElementType, Node};
use rnet_runtime::program::memory_name;

/// The type that `dims` and `element` spell out; `elements` are the element types that the leaf may have.
pub(super) fn infer(
    op: &dyn Op,
    operands: &[&TensorType],
    attributes: &Checked<'_>,
    elements: &[ElementType],
) -> Result<TensorType, OpError> {
    check::operands::<0>(op, operands)?;
    attributes.text("name")?;
    let spelled = attributes.text("element")?;
    let Some(&element) = elements.iter().find(|element| element.to_string() == spelled) else {
        let known: Vec<String> = elements.iter().map(|element| format!("\"{element}\"")).collect();
        let known = known.join(" or ");
        return Err(OpError::new(format!("`{}` needs {known} as `element`, here is {spelled:?}", op.name())));
    };
    check::result(op, element, attributes.extents("dims")?)
}

/// The attributes of a leaf of that name and type.
pub fn attributes(name: &str, ty: &TensorType) -> Attributes {
    Attributes::new()
        .with("name", Attribute::Text(name.to_string()))
        .with("dims", Attribute::extents(&ty.dims))
        .with("element", Attribute::Text(ty.element.to_string()))
}

/// The name by which outputs, checkpoints and the reference evaluator know a leaf; `None` for other nodes. It is the attribute
/// `name`, but for a memory, which has the name of what it remembers: `<slot>/<name>`.
pub fn key(node: &Node) -> Option<String> {
    if !matches!(node.op.lowering(), Lowering::Leaf) {
        return None;
    }
    let name = node.attributes.text("name");
    Some(if node.op.name() == "memory" { memory_name(node.attributes.text("slot"), name) } else { name.to_string() })
}

/// Whether the leaf lives from step to step, so that an update may replace it.
pub fn is_state(node: &Node) -> bool {
    ["parameter", "statistic", "memory"].contains(&node.op.name())
}
