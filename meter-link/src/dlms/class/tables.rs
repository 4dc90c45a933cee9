//! The tables of the interface classes, in the order of their numbers.

use super::{Attribute, Class, Shape};
use Shape::{Any, Array, Enumeration, LogicalName, Structure, Text};

const fn attribute(number: i8, name: &'static str, shape: Shape) -> Attribute {
    Attribute {
        number,
        name,
        shape,
    }
}

const SCALER_UNIT: Shape = Structure(&[("scaler", Any), ("unit", Any)]);
const OBJECT: &[(&str, Shape)] = &[("class_id", Any), ("logical_name", LogicalName)];
const SCRIPT: Shape = Structure(&[
    ("script_logical_name", LogicalName),
    ("script_selector", Any),
]);
const SEASON: Shape = Structure(&[
    ("season_profile_name", Any),
    ("season_start", Shape::DateTime),
    ("week_name", Any),
]);
const WEEK: Shape = Structure(&[
    ("week_profile_name", Any),
    ("monday", Any),
    ("tuesday", Any),
    ("wednesday", Any),
    ("thursday", Any),
    ("friday", Any),
    ("saturday", Any),
    ("sunday", Any),
]);
const DAY: Shape = Structure(&[
    ("day_id", Any),
    (
        "day_schedule",
        Array(&Structure(&[
            ("start_time", Any),
            ("script_logical_name", LogicalName),
            ("script_selector", Any),
        ])),
    ),
]);

pub(super) const CLASSES: &[Class] = &[
    Class {
        id: 1,
        name: "data",
        attributes: &[attribute(2, "value", Any)],
    },
    Class {
        id: 3,
        name: "register",
        attributes: &[
            attribute(2, "value", Any),
            attribute(3, "scaler_unit", SCALER_UNIT),
        ],
    },
    Class {
        id: 4,
        name: "extended register",
        attributes: &[
            attribute(2, "value", Any),
            attribute(3, "scaler_unit", SCALER_UNIT),
            attribute(4, "status", Any),
            attribute(5, "capture_time", Shape::DateTime),
        ],
    },
    Class {
        id: 6,
        name: "register activation",
        attributes: &[
            attribute(2, "register_assignment", Array(&Structure(OBJECT))),
            attribute(
                3,
                "mask_list",
                Array(&Structure(&[
                    ("mask_name", Any),
                    ("index_list", Array(&Any)),
                ])),
            ),
            attribute(4, "active_mask", Any),
        ],
    },
    Class {
        id: 11,
        name: "special days table",
        attributes: &[attribute(
            2,
            "entries",
            Array(&Structure(&[
                ("index", Any),
                ("specialday_date", Any),
                ("day_id", Any),
            ])),
        )],
    },
    Class {
        id: 17,
        name: "SAP assignment",
        attributes: &[attribute(
            2,
            "sap_assignment_list",
            Array(&Structure(&[("sap", Any), ("logical_device_name", Text)])),
        )],
    },
    Class {
        id: 18,
        name: "image transfer",
        attributes: &[
            attribute(2, "image_block_size", Any),
            attribute(3, "image_transferred_blocks_status", Any),
            attribute(4, "image_first_not_transferred_block_number", Any),
            attribute(5, "image_transfer_enabled", Any),
            attribute(
                6,
                "image_transfer_status",
                Enumeration(&[
                    (0, "not initiated"),
                    (1, "initiated"),
                    (2, "verification initiated"),
                    (3, "verification successful"),
                    (4, "verification failed"),
                    (5, "activation initiated"),
                    (6, "activation successful"),
                    (7, "activation failed"),
                ]),
            ),
            attribute(
                7,
                "image_to_activate_info",
                Array(&Structure(&[
                    ("image_size", Any),
                    ("image_identification", Text),
                    ("image_signature", Any),
                ])),
            ),
        ],
    },
    Class {
        id: 20,
        name: "activity calendar",
        attributes: &[
            attribute(2, "calendar_name_active", Text),
            attribute(3, "season_profile_active", Array(&SEASON)),
            attribute(4, "week_profile_table_active", Array(&WEEK)),
            attribute(5, "day_profile_table_active", Array(&DAY)),
            attribute(6, "calendar_name_passive", Text),
            attribute(7, "season_profile_passive", Array(&SEASON)),
            attribute(8, "week_profile_table_passive", Array(&WEEK)),
            attribute(9, "day_profile_table_passive", Array(&DAY)),
            attribute(10, "activate_passive_calendar_time", Shape::DateTime),
        ],
    },
    Class {
        id: 22,
        name: "single action schedule",
        attributes: &[
            attribute(2, "executed_script", SCRIPT),
            attribute(
                3,
                "type",
                Enumeration(&[
                    (1, "one time, wildcards in the date"),
                    (2, "several times, all the same, no wildcards in the date"),
                    (3, "several times, all the same, wildcards in the date"),
                    (4, "several times, not the same, no wildcards in the date"),
                    (5, "several times, not the same, wildcards in the date"),
                ]),
            ),
            attribute(
                4,
                "execution_time",
                Array(&Structure(&[("time", Any), ("date", Any)])),
            ),
        ],
    },
    Class {
        id: 64,
        name: "security setup",
        attributes: &[
            attribute(2, "security_policy", Any),
            attribute(
                3,
                "security_suite",
                Enumeration(&[
                    (0, "suite 0: AES-GCM-128"),
                    (1, "suite 1: AES-GCM-128, ECDSA and ECDH P-256"),
                    (2, "suite 2: AES-GCM-256, ECDSA and ECDH P-384"),
                ]),
            ),
            attribute(4, "client_system_title", Any),
            attribute(5, "server_system_title", Any),
            attribute(
                6,
                "certificates",
                Array(&Structure(&[
                    ("certificate_entity", CERTIFICATE_ENTITY),
                    ("certificate_type", CERTIFICATE_TYPE),
                    ("serial_number", Any),
                    ("issuer", Text),
                    ("subject", Text),
                    ("subject_alt_name", Text),
                ])),
            ),
        ],
    },
    Class {
        id: 70,
        name: "disconnect control",
        attributes: &[
            attribute(2, "output_state", Any),
            attribute(
                3,
                "control_state",
                Enumeration(&[
                    (0, "disconnected"),
                    (1, "connected"),
                    (2, "ready for reconnection"),
                ]),
            ),
            attribute(4, "control_mode", Any),
        ],
    },
    Class {
        id: 71,
        name: "limiter",
        attributes: &[
            attribute(
                2,
                "monitored_value",
                Structure(&[
                    ("class_id", Any),
                    ("logical_name", LogicalName),
                    ("attribute_index", Any),
                ]),
            ),
            attribute(3, "threshold_active", Any),
            attribute(4, "threshold_normal", Any),
            attribute(5, "threshold_emergency", Any),
            attribute(6, "min_over_threshold_duration", Any),
            attribute(7, "min_under_threshold_duration", Any),
            attribute(
                8,
                "emergency_profile",
                Structure(&[
                    ("emergency_profile_id", Any),
                    ("emergency_activation_time", Shape::DateTime),
                    ("emergency_duration", Any),
                ]),
            ),
            attribute(9, "emergency_profile_group_id_list", Array(&Any)),
            attribute(10, "emergency_profile_active", Any),
            attribute(
                11,
                "actions",
                Structure(&[("over_threshold", SCRIPT), ("under_threshold", SCRIPT)]),
            ),
        ],
    },
    Class {
        id: 72,
        name: "M-Bus client",
        attributes: &[
            attribute(2, "mbus_port_reference", LogicalName),
            attribute(
                3,
                "capture_definition",
                Array(&Structure(&[
                    ("data_information_block", Any),
                    ("value_information_block", Any),
                ])),
            ),
            attribute(4, "capture_period", Any),
            attribute(5, "primary_address", Any),
            attribute(6, "identification_number", Any),
            attribute(7, "manufacturer_id", Any),
            attribute(8, "version", Any),
            attribute(9, "device_type", Any),
            attribute(10, "access_number", Any),
            attribute(11, "status", Any),
            attribute(12, "alarm", Any),
            attribute(13, "configuration", Any),
            attribute(
                14,
                "encryption_key_status",
                Enumeration(&[
                    (0, "no key"),
                    (1, "key set"),
                    (2, "key transferred"),
                    (3, "key set and transferred"),
                    (4, "key in use"),
                ]),
            ),
        ],
    },
];

const CERTIFICATE_ENTITY: Shape = Enumeration(&[
    (0, "server"),
    (1, "client"),
    (2, "certification authority"),
    (3, "other"),
]);
const CERTIFICATE_TYPE: Shape = Enumeration(&[
    (0, "digital signature"),
    (1, "key agreement"),
    (2, "TLS"),
    (3, "other"),
]);
