//! Where in a batch something is, for messages. Costs nothing until one is made.

use std::fmt;

/// A column, or what is below one.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The batch itself.
    Root,
    /// A child, by its name.
    Child(&'a Path<'a>, &'a str),
}

impl<'a> Path<'a> {
    pub(super) fn child(&'a self, name: &'a str) -> Self {
        Path::Child(self, name)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Child(Path::Root, name) => f.write_str(name),
            Path::Child(parent, name) => {
                parent.write(f)?;
                write!(f, ".{name}")
            }
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("the batch"),
            Path::Child(..) => {
                f.write_str("column \"")?;
                self.write(f)?;
                f.write_str("\"")
            }
        }
    }
}
