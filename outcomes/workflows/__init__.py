"""The story of the product, a page to each family of clinical events that cross rooms.

One function is one event in one transaction, and calls rooms in order. Who acts (`by`) and when
(`now`, aware UTC) come in from a front door or a task.
"""

from outcomes.workflows.answering import (
    Submission,
    SubmissionConflict,
    correct_response,
    enter_paper,
    save_answers,
    submit_response,
    submit_sitting,
)
from outcomes.workflows.asking import (
    invite,
    invite_due,
    invite_patient,
    invite_patients,
)
from outcomes.workflows.asking_again import (
    ask_again,
    call_instead,
    give_message_up,
    resend_invitation,
    take_back_invitation,
    try_message_again,
)
from outcomes.workflows.caseload import (
    bring_caseload_up_to_date,
    keep_up_caseloads,
)
from outcomes.workflows.handing_over import (
    TabletCode,
    decline_invitation,
    forget_devices,
    hand_over_link,
    hand_over_tablet,
    lock_tablet,
    mode_of,
    open_tablet,
    remember_device,
)
from outcomes.workflows.hearing_back import (
    hear_phone,
    take_report,
    unsubscribe,
)
from outcomes.workflows.members import (
    accept_membership,
    add_member,
    change_phone,
)
from outcomes.workflows.patients import (
    Enrolment,
    change_contact,
    change_patient,
    decide_consent,
    enrol_patient,
    view_list,
    view_patient,
)
from outcomes.workflows.restoring import (
    Reconciled,
    reconcile,
    trust_database,
)
from outcomes.workflows.reviewing import confirm_loss, mark_episode_seen, take_back_loss
from outcomes.workflows.screener import (
    SCREENER,
)
from outcomes.workflows.setting_up import (
    add_wording,
    change_clinic,
    install_library,
    publish_schedule,
    rescore,
    retire_instrument,
    save_own_instrument,
)
from outcomes.workflows.sweeping import (
    escalate_due,
    expire_assignments,
    replan_due,
    report_alive,
    send_due,
    test_recipients,
)
from outcomes.workflows.treatment import (
    cancel_session,
    close_episode,
    edit_session,
    move_course_to_schedule,
    move_session,
    record_session,
    start_course,
)
from outcomes.workflows.wishes import (
    change_wishes,
    pause_messages,
    resume_messages,
    stop_messages,
)

__all__ = [
    "SCREENER",
    "Enrolment",
    "Reconciled",
    "Submission",
    "SubmissionConflict",
    "TabletCode",
    "accept_membership",
    "add_member",
    "add_wording",
    "ask_again",
    "bring_caseload_up_to_date",
    "call_instead",
    "cancel_session",
    "change_clinic",
    "change_contact",
    "change_patient",
    "change_phone",
    "change_wishes",
    "close_episode",
    "confirm_loss",
    "correct_response",
    "decide_consent",
    "decline_invitation",
    "edit_session",
    "enrol_patient",
    "enter_paper",
    "escalate_due",
    "expire_assignments",
    "forget_devices",
    "give_message_up",
    "hand_over_link",
    "hand_over_tablet",
    "hear_phone",
    "install_library",
    "invite",
    "invite_due",
    "invite_patient",
    "invite_patients",
    "keep_up_caseloads",
    "lock_tablet",
    "mark_episode_seen",
    "mode_of",
    "move_course_to_schedule",
    "move_session",
    "open_tablet",
    "pause_messages",
    "publish_schedule",
    "reconcile",
    "record_session",
    "remember_device",
    "replan_due",
    "report_alive",
    "rescore",
    "resend_invitation",
    "resume_messages",
    "retire_instrument",
    "save_answers",
    "save_own_instrument",
    "send_due",
    "start_course",
    "stop_messages",
    "submit_response",
    "submit_sitting",
    "take_back_invitation",
    "take_back_loss",
    "take_report",
    "test_recipients",
    "trust_database",
    "try_message_again",
    "unsubscribe",
    "view_list",
    "view_patient",
]
