"""Run by alembic to upgrade a store; the connection, in a transaction, comes from ``ncs.store._engine``."""

from alembic import context

from ncs.store._schema import metadata


def run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=False,  # the caller holds the transaction
    )
    context.run_migrations()


if hasattr(context, "config"):  # not where a tool merely imports this file
    run()
