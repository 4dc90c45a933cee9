//! Over-the-air upgrade (Zigbee Cluster Library, chapter 11).

use super::{Command, from_client, from_server, id16, id32, u8, u16, u32};
use crate::layout::{Field, Kind, When};

const fn on_success(field: Field) -> Field {
    field.when(When::Equals("status", 0))
}

pub(super) const UPGRADE: &[Command] = &[
    from_server(
        0x00,
        "ImageNotify",
        &[
            u8("payload_type"),
            u8("query_jitter"),
            id16("manufacturer").when(When::Given),
            id16("image_type").when(When::Given),
            id32("file_version").when(When::Given),
        ],
    ),
    from_client(
        0x01,
        "QueryNextImageRequest",
        &[
            u8("field_control"),
            id16("manufacturer"),
            id16("image_type"),
            id32("file_version"),
            u16("hardware_version").when(When::Bit("field_control", 1)),
        ],
    ),
    from_server(
        0x02,
        "QueryNextImageResponse",
        &[
            u8("status"),
            on_success(id16("manufacturer")),
            on_success(id16("image_type")),
            on_success(id32("file_version")),
            on_success(u32("image_size")),
        ],
    ),
    from_client(
        0x03,
        "ImageBlockRequest",
        &[
            u8("field_control"),
            id16("manufacturer"),
            id16("image_type"),
            id32("file_version"),
            u32("file_offset"),
            u8("max_data_size"),
            Field::new("request_node", Kind::Id(8)).when(When::Bit("field_control", 1)),
            u16("minimum_block_period").when(When::Bit("field_control", 2)),
        ],
    ),
    from_client(
        0x04,
        "ImagePageRequest",
        &[
            u8("field_control"),
            id16("manufacturer"),
            id16("image_type"),
            id32("file_version"),
            u32("file_offset"),
            u8("max_data_size"),
            u16("page_size"),
            u16("response_spacing_ms"),
            Field::new("request_node", Kind::Id(8)).when(When::Bit("field_control", 1)),
        ],
    ),
    from_server(
        0x05,
        "ImageBlockResponse",
        &[
            u8("status"),
            on_success(id16("manufacturer")),
            on_success(id16("image_type")),
            on_success(id32("file_version")),
            on_success(u32("file_offset")),
            on_success(Field::new("data", Kind::OctetString)),
        ],
    ),
    from_client(
        0x06,
        "UpgradeEndRequest",
        &[
            u8("status"),
            id16("manufacturer"),
            id16("image_type"),
            id32("file_version"),
        ],
    ),
    from_server(
        0x07,
        "UpgradeEndResponse",
        &[
            id16("manufacturer"),
            id16("image_type"),
            id32("file_version"),
            u32("current_time"),
            u32("upgrade_time"),
        ],
    ),
];
