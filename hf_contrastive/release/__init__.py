"""Plan, gate and one Hub commit; nothing leaves without proof."""
